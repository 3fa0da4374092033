/** How a client proves who it is. Undefined credentials everywhere mean: anonymous. */
export type Credentials =
  /** A name with a password or an access token. */
  | { readonly kind: "password"; readonly username: string; readonly password: string }
  /** A refresh token of the registry's token service, which docker calls identity token. */
  | { readonly kind: "refresh-token"; readonly token: string }
  /** A ready Bearer token, sent to the registry as it is. */
  | { readonly kind: "bearer"; readonly token: string };

/** The value of a Basic `Authorization` header (RFC 7617, UTF-8). */
export function basicAuthorization(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`, "utf8").toString("base64")}`;
}
