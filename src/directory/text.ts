/** One YAML text, read with no more than it takes: the package is loaded for what plain.ts and json.ts pass on. */
import { readJson } from './json.ts';
import { readPlain } from './plain.ts';

/** The value of a single document, or in one line why there is none. */
export type TextResult =
  | { readonly value: unknown; readonly fault?: undefined }
  | { readonly fault: string; readonly value?: undefined };

export async function readYamlText(text: string): Promise<TextResult> {
  const plain = readPlain(text) ?? readJson(text);
  if (plain !== undefined) return plain;
  const { parseYaml, YamlError } = await import('./yaml.ts');
  try {
    return { value: parseYaml(text) };
  } catch (error) {
    if (error instanceof YamlError) return { fault: error.message };
    throw error;
  }
}
