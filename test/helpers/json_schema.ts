/** As much of JSON Schema as the documents of this project use: it validates values, and remembers which properties they had. */

export type Schema = Readonly<Record<string, unknown>>;

export class SchemaCheck {
  /** The schemas of the properties that values had. */
  readonly seen = new Set<Schema>();

  /** `document` is what a `$ref` points into. */
  constructor(private readonly document: Schema) {}

  /**
   * What is wrong with `value`, with where; nothing if it fits. Wrong is, too, a
   * property that is not among those that the schema of an object names.
   */
  problems(schema: Schema, value: unknown, at = "$"): readonly string[] {
    const resolved = this.resolve(schema);
    const alternatives = listOf(resolved["anyOf"]);
    if (alternatives.length > 0) return this.problemsOfAny(alternatives, value, at);
    return [
      ...typeProblems(resolved, value, at),
      ...(Array.isArray(value) ? this.problemsOfItems(resolved, value, at) : []),
      ...(isObject(value) && "properties" in resolved ? this.problemsOfObject(resolved, value, at) : []),
    ];
  }

  /** The properties below `schema` that no value had, with where they are. */
  unseen(schema: Schema, at = "$"): readonly string[] {
    const resolved = this.resolve(schema);
    const inAlternatives = listOf(resolved["anyOf"]).flatMap((part) => this.unseen(part, at));
    const { items } = resolved;
    const inItems = isObject(items) ? this.unseen(items, `${at}[]`) : [];
    const inProperties = Object.entries(propertiesOf(resolved)).flatMap(([name, property]) =>
      this.seen.has(property) ? this.unseen(property, `${at}.${name}`) : [`${at}.${name}`],
    );
    return [...inAlternatives, ...inItems, ...inProperties];
  }

  /** The first alternative that fits, else what is wrong with the one that comes nearest. */
  private problemsOfAny(alternatives: readonly Schema[], value: unknown, at: string): readonly string[] {
    const attempts = alternatives.map((alternative) => {
      const attempt = new SchemaCheck(this.document);
      return { found: attempt.problems(alternative, value, at), seen: attempt.seen };
    });
    const [best] = attempts.sort((a, b) => a.found.length - b.found.length);
    if (best === undefined || best.found.length > 0) return best?.found ?? [];
    for (const property of best.seen) this.seen.add(property);
    return [];
  }

  private problemsOfItems(schema: Schema, values: readonly unknown[], at: string): readonly string[] {
    const { items, minItems = 0 } = schema;
    const few = values.length < Number(minItems) ? [`${at} has fewer than ${String(minItems)} items`] : [];
    if (!isObject(items)) return few;
    return [...few, ...values.flatMap((value, index) => this.problems(items, value, `${at}[${index}]`))];
  }

  private problemsOfObject(schema: Schema, value: Schema, at: string): readonly string[] {
    const properties = propertiesOf(schema);
    const { required, additionalProperties: others } = schema;
    const missing = (Array.isArray(required) ? required.map(String) : []).filter((name) => !(name in value));
    const wrong = Object.entries(value).flatMap(([name, inner]) => {
      const where = `${at}.${name}`;
      const property = properties[name];
      if (property !== undefined) {
        this.seen.add(property);
        return Object.keys(property).length === 0
          ? [`${where} has a name and no type`]
          : this.problems(property, inner, where);
      }
      return isObject(others) ? this.problems(others, inner, where) : [`${where} is not described`];
    });
    return [...missing.map((name) => `${at}.${name} is missing`), ...wrong];
  }

  private resolve(schema: Schema): Schema {
    const { $ref } = schema;
    if (typeof $ref !== "string") return schema;
    const found = $ref
      .split("/")
      .slice(1)
      .reduce<unknown>((part, name) => (isObject(part) ? part[name] : undefined), this.document);
    if (isObject(found)) return found;
    throw new Error(`${$ref} points at nothing`);
  }
}

export function isObject(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function listOf(value: unknown): readonly Schema[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function propertiesOf({ properties }: Schema): Readonly<Record<string, Schema>> {
  if (!isObject(properties)) return {};
  return Object.fromEntries(
    Object.entries(properties).filter((entry): entry is [string, Schema] => isObject(entry[1])),
  );
}

/** What the keywords say that need not look inside. */
function typeProblems(schema: Schema, value: unknown, at: string): readonly string[] {
  const { type, const: constant, enum: choices, pattern, minimum, maximum, exclusiveMinimum } = schema;
  const wrong: string[] = [];
  const shown = JSON.stringify(value).slice(0, 60);
  if (typeof type === "string" && !isOfType(type, value)) wrong.push(`${at} is ${shown}, not of type ${type}`);
  if (constant !== undefined && value !== constant) wrong.push(`${at} is ${shown}, not ${JSON.stringify(constant)}`);
  if (Array.isArray(choices) && !choices.includes(value)) wrong.push(`${at} is ${shown}, not one of ${choices.join()}`);
  if (typeof value === "string" && typeof pattern === "string" && !new RegExp(pattern).test(value))
    wrong.push(`${at} is ${shown}, which does not match ${pattern}`);
  if (typeof value !== "number") return wrong;
  if (typeof minimum === "number" && value < minimum) wrong.push(`${at} is below ${minimum}`);
  if (typeof maximum === "number" && value > maximum) wrong.push(`${at} is above ${maximum}`);
  if (typeof exclusiveMinimum === "number" && value <= exclusiveMinimum)
    wrong.push(`${at} is not above ${exclusiveMinimum}`);
  return wrong;
}

function isOfType(type: string, value: unknown): boolean {
  switch (type) {
    case "integer":
      return Number.isSafeInteger(value);
    case "null":
      return value === null;
    case "array":
      return Array.isArray(value);
    case "object":
      return isObject(value);
    default:
      return typeof value === type;
  }
}
