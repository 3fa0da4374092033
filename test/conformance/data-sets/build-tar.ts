import { Buffer } from "node:buffer";

const blockBytes = 512;

/**
 * Returns a POSIX tar archive (ustar) of one regular file. The name must fit the header's 100 bytes; the content may be
 * empty. The same input always gives the same bytes.
 */
export function buildTar(name: string, content: string): Uint8Array {
  const body = Buffer.from(content, "utf8");
  const header = Buffer.alloc(blockBytes);
  header.write(name, 0, 100);
  header.write("0000644\0", 100);
  header.write("0000000\0", 108);
  header.write("0000000\0", 116);
  header.write(`${body.length.toString(8).padStart(11, "0")}\0`, 124);
  header.write("00000000000\0", 136);
  header.write("0", 156);
  header.write("ustar\u000000", 257);
  // The checksum is the sum of the header's bytes with its own field read as spaces.
  header.fill(" ", 148, 156);
  const checksum = header.reduce((sum, byte) => sum + byte, 0);
  header.write(`${checksum.toString(8).padStart(6, "0")}\0 `, 148);
  const padding = Buffer.alloc((blockBytes - (body.length % blockBytes)) % blockBytes);
  return Buffer.concat([header, body, padding, Buffer.alloc(2 * blockBytes)]);
}
