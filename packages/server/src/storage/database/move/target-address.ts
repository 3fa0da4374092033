import { AppError } from "../../../lib/app-error.ts";

/** pg takes addresses without a host, which are no URLs. */
const noHost = "no-host.invalid";
const secretParameters = ["password", "sslpassword"] as const;

/**
 * The address of a PostgreSQL database for people to read and for comparison with another: everything but the passwords, as the host of a socket and the port may
 * come after the `?`, too. `REQUEST_INVALID` when it cannot be read.
 */
export function withoutPassword(address: string): string {
  const [text, isLocal] = URL.canParse(address) ? [address, false] : [withHost(address), true];
  if (!URL.canParse(text)) throw new AppError("REQUEST_INVALID", "--to is not an address: postgres://…");
  const url = new URL(text);
  url.password = "";
  for (const name of secretParameters) url.searchParams.delete(name);
  return isLocal ? url.href.replace(noHost, "") : url.href;
}

function withHost(address: string): string {
  return address.replace(/@(?=[/:?]|$)/, `@${noHost}`);
}
