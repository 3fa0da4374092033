import type { HttpResponse } from "./http-transport.ts";
import { RegistryError } from "./registry-error.ts";

/** Reads a whole body of bounded size. `BAD_ANSWER` when it is longer; what a message calls it is `what`. */
export async function readBytes(response: HttpResponse, limitBytes: number, what: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of response.body) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError("a body without encoding gives bytes");
    sizeBytes += chunk.byteLength;
    if (sizeBytes > limitBytes) {
      response.body.destroy();
      throw new RegistryError(`${what} is longer than ${limitBytes} bytes`, { code: "BAD_ANSWER" });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Reads a body as JSON, at most 8 MiB. `BAD_ANSWER` when it is none. */
export async function readJson(response: HttpResponse, what: string): Promise<unknown> {
  const bytes = await readBytes(response, 8_388_608, what);
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (error) {
    throw new RegistryError(`${what} is not JSON`, { code: "BAD_ANSWER", cause: error });
  }
}

/** Up to 64 KiB of an error's body; what cannot be read is left out, as the status says enough. */
export async function readErrorText(response: HttpResponse): Promise<string> {
  try {
    return (await readBytes(response, 65_536, "an error")).toString("utf8");
  } catch {
    return "";
  }
}
