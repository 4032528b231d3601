/**
 * Variables in a topology file, put in before it is YAML: `${NAME}`, `$NAME`, `${NAME:-default}`, `${NAME:=default}`,
 * and `$$` for a dollar. A name that is not set and has no default stays as it stands, as it does in containerlab: an
 * `exec` line may have variables of its own.
 */

const form = /\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-=])([^}]*))?\}|([A-Za-z_][A-Za-z0-9_]*))/g;

export function expandVariables(text: string, env: Readonly<Record<string, string | undefined>>): string {
  return text.replace(form, (whole, braced?: string, operator?: string, fallback = '', bare?: string) => {
    if (whole === '$$') return '$';
    const value = env[braced ?? bare ?? ''];
    if (operator === undefined) return value ?? whole;
    // With the colon, what is set and empty counts as not set.
    return value === undefined || (value === '' && operator.startsWith(':')) ? fallback : value;
  });
}
