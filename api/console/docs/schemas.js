// Reading JSON schemas: names of types for people, and example values to start from.

const DEPTH = 4;

/** The schema that a reference leads to. */
export function resolved(schema, document) {
  const name = schema?.$ref?.split("/").pop();
  return name ? document.components.schemas[name] ?? {} : schema ?? {};
}

/** A short word for a type. */
export function typeName(schema, document) {
  if (schema?.$ref) return schema.$ref.split("/").pop();
  const choices = schema?.anyOf ?? schema?.oneOf;
  if (choices) return choices.map((choice) => typeName(choice, document)).join(" | ");
  if (schema?.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema?.type === "array") return `${typeName(schema.items, document)}[]`;
  return [schema?.type ?? "any"].flat().join(" | ") + (schema?.format ? ` (${schema.format})` : "");
}

/** A value that fits, made of defaults where there are some. */
export function example(schema, document, depth = 0) {
  const found = resolved(schema, document);
  if (found.default !== undefined && found.default !== null) return found.default;
  if (found.enum) return found.enum[0];
  const choices = (found.anyOf ?? found.oneOf)?.filter((choice) => choice.type !== "null");
  if (choices?.length) return depth > DEPTH ? null : example(choices[0], document, depth + 1);
  switch ([found.type].flat()[0]) {
    case "object": {
      if (depth > DEPTH) return {};
      const fields = Object.entries(found.properties ?? {});
      return Object.fromEntries(fields.map(([name, own]) => [name, example(own, document, depth + 1)]));
    }
    case "array":
      return depth > DEPTH ? [] : [example(found.items ?? {}, document, depth + 1)];
    case "integer":
    case "number":
      return found.minimum ?? 0;
    case "boolean":
      return false;
    case "string":
      return found.format === "date-time" ? "2026-01-31T12:00:00Z" : "";
    default:
      return null;
  }
}

/** What to start a body with: the required fields, or all of them when none is. */
export function start(schema, document) {
  const found = resolved(schema, document);
  const whole = example(schema, document);
  if (!found.required?.length) return whole;
  return Object.fromEntries(found.required.map((name) => [name, whole[name]]));
}
