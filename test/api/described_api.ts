/** A client that holds every request and every answer against the OpenAPI document of the node that it asks. */
import { isObject, type Schema, SchemaCheck } from "../helpers/json_schema.ts";

/** Where to add what is missing. */
const advice =
  "describe it in src/api/openapi_operations.ts and openapi_schemas.ts, and show it in test/api/openapi_test.ts";

export class DescribedApi {
  /** What does not fit, each with what to do about it. */
  readonly problems: string[] = [];
  private readonly check: SchemaCheck;
  /** `GET /v1/kv 200`, for all that were answered. */
  private readonly answered = new Set<string>();

  constructor(readonly document: Schema) {
    this.check = new SchemaCheck(document);
  }

  /** `GET /v1/kv`, for all that the document describes. */
  get operations(): readonly string[] {
    return Object.entries(part(this.document, "paths")).flatMap(([path, methods]) =>
      Object.keys(isObject(methods) ? methods : {}).map((method) => `${method.toUpperCase()} ${path}`),
    );
  }

  /** Asks. The body of the answer is left to the caller. */
  async ask(url: string, call: string, init: Omit<RequestInit, "method"> = {}): Promise<Response> {
    const [method = "", target = ""] = call.split(" ");
    const response = await fetch(`${url}${target}`, { ...init, method });
    const operation = this.operationOf(method, target);
    if (typeof init.body === "string" && response.ok) this.checkBody(operation, init.body);
    await this.checkAnswer(operation, response);
    return response;
  }

  /** Notes an answer that came in another way. */
  note(operation: string, status: number): void {
    this.answered.add(`${operation} ${status}`);
    if (this.answerOf(operation, status) === null)
      this.problems.push(`${operation} answers ${status}, which is not described: ${advice}`);
  }

  /** Checks the data of an event of a stream. */
  checkEvent(operation: string, data: string): void {
    const stream = part(part(this.answerOf(operation, 200) ?? {}, "content"), "text/event-stream");
    const schema = part(part(stream, "schema"), "x-event-data");
    this.report(`an event of ${operation}`, this.check.problems(schema, JSON.parse(data)));
  }

  /** What is described and was never seen. */
  unseen(): readonly string[] {
    return this.operations.flatMap((operation) => {
      const described = this.describe(operation);
      const body = part(part(part(described, "requestBody"), "content"), "application/json");
      const inBody = this.check.unseen(part(body, "schema"), `body of ${operation}: $`);
      const inAnswers = Object.entries(part(described, "responses")).flatMap(([status, answer]) => {
        if (!this.answered.has(`${operation} ${status}`)) return [`${operation} never answered ${status}`];
        const content = Object.values(part(isObject(answer) ? answer : {}, "content")).filter(isObject);
        return content.flatMap((media) => {
          const schema = part(media, "schema");
          const inner = isObject(schema["x-event-data"]) ? schema["x-event-data"] : schema;
          return this.check.unseen(inner, `${operation} ${status}: $`);
        });
      });
      return [...inBody, ...inAnswers];
    });
  }

  /** The names of the parameters of `operation` that are in `place`. */
  parameters(operation: string, place: string): readonly string[] {
    const { parameters } = this.describe(operation);
    if (!Array.isArray(parameters)) return [];
    return parameters.filter(isObject).flatMap((one) => (one["in"] === place ? [String(one["name"])] : []));
  }

  private operationOf(method: string, target: string): string {
    const path = target.split("?")[0] ?? "";
    const paths = Object.keys(part(this.document, "paths"));
    const found = paths.includes(path) ? path : paths.find((known) => matches(known, path));
    if (found !== undefined) return `${method} ${found}`;
    throw new Error(`${method} ${path} is not described: ${advice}`);
  }

  private checkBody(operation: string, text: string): void {
    const body = part(part(part(this.describe(operation), "requestBody"), "content"), "application/json");
    if (isObject(body["schema"])) {
      this.report(`the body of ${operation}`, this.check.problems(body["schema"], JSON.parse(text)));
    }
  }

  private async checkAnswer(operation: string, response: Response): Promise<void> {
    const { status } = response;
    this.note(operation, status);
    const content = part(this.answerOf(operation, status) ?? {}, "content");
    const type = response.headers.get("content-type") ?? "";
    const media = content[type];
    if (!isObject(media)) {
      this.problems.push(`${operation} answers ${status} with ${type}, which is not described: ${advice}`);
    } else if (type === "application/json") {
      this.report(`${operation} ${status}`, this.check.problems(part(media, "schema"), await response.clone().json()));
    }
  }

  private report(where: string, found: readonly string[]): void {
    for (const problem of found) this.problems.push(`${where}: ${problem}: ${advice}`);
  }

  private describe(operation: string): Schema {
    const [method = "", path = ""] = operation.split(" ");
    return part(part(part(this.document, "paths"), path), method.toLowerCase());
  }

  private answerOf(operation: string, status: number): Schema | null {
    const answer = part(this.describe(operation), "responses")[status];
    return isObject(answer) ? answer : null;
  }
}

function part(value: Schema, name: string): Schema {
  const found = value[name];
  return isObject(found) ? found : {};
}

/** A key may have slashes, what else stands in a path not. */
function matches(known: string, path: string): boolean {
  const pattern = known
    .replaceAll(".", "\\.")
    .replace("{key}", ".*")
    .replaceAll(/\{\w+\}/g, "[^/]+");
  return new RegExp(`^${pattern}$`).test(path);
}
