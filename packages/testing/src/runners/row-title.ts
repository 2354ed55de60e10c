/**
 * The title of a test for one row of a table: `%s` is its next value as text, `%j` as JSON, `%d` as a number, `%#` the number of
 * the row from 0, `%%` a percent sign; where the row is an object, `$name` is a property of it.
 */
export function rowTitle(title: string, row: unknown, index: number): string {
  const values: unknown[] = Array.isArray(row) ? [...row] : [row];
  return title
    .replaceAll(/%[sjd#%]/g, (mark) => {
      if (mark === "%%") return "%";
      if (mark === "%#") return String(index);
      if (values.length === 0) return mark;
      const value = values.shift();
      if (mark === "%d") return String(Number(value));
      return mark === "%j" ? json(value) : text(value);
    })
    .replaceAll(/\$([\p{ID_Start}_$][\p{ID_Continue}$]*)/gu, (mark, name: string) => {
      const isThere = typeof row === "object" && row !== null && name in row;
      return isThere ? text((row as Record<string, unknown>)[name]) : mark;
    });
}

function text(value: unknown): string {
  return typeof value === "object" && value !== null ? json(value) : String(value);
}

function json(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}
