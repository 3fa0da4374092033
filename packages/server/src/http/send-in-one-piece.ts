import type { ServerResponse } from "node:http";

const onePieceBytes = 65_536;

/**
 * The body of a reply that is whole in memory. With a small one the reply ends here: headers and body go out in one piece, without a buffer being made of the
 * headers, which is a third of what a small reply costs. Not while the request's body is still coming: then the connection must be seen to first.
 */
export function sendInOnePiece(response: ServerResponse, bytes: Uint8Array): void {
  if (response.req.complete && bytes.byteLength <= onePieceBytes) response.end(asLatin1(bytes), "latin1");
  else response.write(bytes);
}

/** Each byte as the character of that number, which Node writes as that byte again. */
function asLatin1({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("latin1");
}
