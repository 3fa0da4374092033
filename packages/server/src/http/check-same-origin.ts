import type { IncomingHttpHeaders } from "node:http";
import { AppError } from "../lib/app-error.ts";

/**
 * Refuses what a page of another site makes a browser send: `CROSS_SITE`. Sec-Fetch-Site decides where there is one, as the browser itself has seen
 * both addresses, whatever a proxy did to ours; else Origin, which browsers send with everything that changes something. What has neither
 * comes from no browser of today: it passes here, and needs its token all the same.
 */
export function checkSameOrigin(headers: IncomingHttpHeaders, origin: string): void {
  const site = headers["sec-fetch-site"];
  if (site !== undefined) {
    if (site === "same-origin") return;
    throw crossSite();
  }
  if (headers.origin !== undefined && headers.origin.toLowerCase() !== origin.toLowerCase())
    throw crossSite();
}

function crossSite(): AppError {
  return new AppError("CROSS_SITE", "this must be sent by a page of the registry itself");
}
