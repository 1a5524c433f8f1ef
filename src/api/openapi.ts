/** The OpenAPI document of the service port, made of the routes that there are and of what openapi_operations.ts says about them. */
import { z } from "zod";
import { statusOfCode } from "./http_errors.ts";
import { operationDocs, type Content, type OperationDoc, type Parameter } from "./openapi_operations.ts";
import { errorBody } from "./openapi_schemas.ts";

/** Where the shape of all errors is, in the document. */
const errorRef = "#/components/schemas/Error";

/** What the document needs to know of a route. */
export interface DocumentedRoute {
  readonly path: string;
  readonly methods: Readonly<Record<string, unknown>>;
  /** Whether its writes take an `Idempotency-Key`. */
  readonly takesId?: true;
}

type Json = Readonly<Record<string, unknown>>;

/** A route that nobody described is left out, and test/api/openapi_test.ts says so. */
export function openapiDocument(routes: readonly DocumentedRoute[], version: string): Json {
  const paths = routes.map((route) => {
    const described = Object.keys(route.methods).flatMap((method) => {
      const doc = operationDocs[`${method} ${route.path}`];
      return doc === undefined ? [] : [[method.toLowerCase(), operation(route, method, doc)] as const];
    });
    return [route.path, Object.fromEntries(described)] as const;
  });
  return {
    openapi: "3.1.0",
    info: { title: "proa", version, description, license: { name: "Apache-2.0", identifier: "Apache-2.0" } },
    servers: [{ url: "/" }],
    paths: Object.fromEntries(paths),
    components: { schemas: { Error: jsonSchema(errorBody) } },
  };
}

const description =
  "The service port of a node. Any node takes any request. Every answer carries X-Proa-Node, X-Proa-Term, X-Proa-Leader, " +
  "X-Proa-Revision and X-Proa-Applied; HEAD is answered wherever GET is. A path that does not exist is 404 and a method that it does not have 405, with an error.";

const timeout: Parameter = {
  description: "how long the client waits, in milliseconds",
  schema: { type: "integer", minimum: 1, maximum: 60_000, default: 5000 },
};
const idempotencyKey: Parameter = {
  description: "an id under which the request takes effect at most once: INDEX-NAME or INDEX-NAME.NUMBER",
  schema: { type: "string", pattern: "^[0-9]+-[A-Za-z0-9_]{1,64}([.][1-9][0-9]*)?$" },
};

function operation(route: DocumentedRoute, method: string, doc: OperationDoc): Json {
  const headers = {
    ...doc.headers,
    ...(route.takesId === true && method !== "GET" && { "Idempotency-Key": idempotencyKey }),
    "X-Proa-Timeout-Ms": timeout,
  };
  const inPath = [...route.path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    ...(name === "id"
      ? { description: "the id of a lease", schema: { type: "integer", minimum: 1 } }
      : { description: "percent-encoded bytes", schema: { type: "string" } }),
  }));
  const answers = Object.entries(doc.answers).map(([status, content]) => [
    status,
    { description: Number(status) < 300 ? "done" : "not now", ...contentOf(...content) },
  ]);
  const errors = doc.errors.map((status) => [
    status,
    { description: codesOf(status), ...contentOf({ kind: "json", shape: errorBody }) },
  ]);
  return {
    summary: doc.summary,
    parameters: [...inPath, ...parametersIn("query", doc.query ?? {}), ...parametersIn("header", headers)],
    ...(doc.body !== undefined && { requestBody: contentOf(doc.body) }),
    responses: Object.fromEntries([...answers, ...errors]) as Json,
  };
}

function parametersIn(place: "query" | "header", parameters: Readonly<Record<string, Parameter>>): readonly Json[] {
  return Object.entries(parameters).map(([name, parameter]) => ({ name, in: place, ...parameter }));
}

function contentOf(...alternatives: readonly Content[]): Json {
  const content = Object.assign({}, ...alternatives.map(mediaTypeOf)) as Json;
  return Object.keys(content).length === 0 ? {} : { content };
}

function mediaTypeOf(content: Content): Json {
  switch (content.kind) {
    case "json": {
      const schema = content.shape === errorBody ? { $ref: errorRef } : jsonSchema(content.shape);
      return { "application/json": { schema } };
    }
    case "bytes":
      return { "application/octet-stream": {} };
    case "events":
      return { "text/event-stream": { schema: { type: "string", "x-event-data": jsonSchema(content.shape) } } };
    case "none":
      return {};
  }
}

/** The codes of errors with this status. */
function codesOf(status: number): string {
  const codes = Object.entries(statusOfCode).filter(([, of]) => of === status);
  return codes.map(([code]) => code).join(", ");
}

function jsonSchema(shape: z.ZodType): Json {
  const schema = z.toJSONSchema(shape, {
    io: "input",
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema !== errorBody.shape.error || shape === errorBody) return;
      for (const name of Object.keys(jsonSchema)) Reflect.deleteProperty(jsonSchema, name);
      jsonSchema.$ref = `${errorRef}/properties/error`;
    },
  });
  delete schema.$schema; // the document says which one it is
  return schema;
}
