/**
 * The parts of a request target. A target in absolute form (RFC 9112, 3.2.2: a server must take it, though only proxies send it) names the host,
 * too, and then the Host header does not count. Decodes nothing and never throws: what is no address matches no endpoint.
 */
export function splitTarget(
  target: string,
  hostHeader: string | undefined,
): { readonly pathname: string; readonly query: string; readonly host: string | undefined } {
  const absolute = target.startsWith("/") ? null : /^https?:\/\/([^/?#]*)(.*)$/is.exec(target);
  const local = absolute === null ? target : absolute[2] || "/";
  const host = absolute === null ? hostHeader : absolute[1];
  const mark = local.indexOf("?");
  return mark < 0
    ? { pathname: local, query: "", host }
    : { pathname: local.slice(0, mark) || "/", query: local.slice(mark + 1), host };
}
