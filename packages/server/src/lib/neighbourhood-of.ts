import { isIPv4, isIPv6 } from "node:net";
import { networkOf } from "./network-of.ts";

/**
 * What an address lies in that is likely to stay the same from day to day: the /24 of an IPv4 address, the /48 of an IPv6 address, which is a site
 * (RFC 6177, 2). Undefined = it is no address.
 */
export function neighbourhoodOf(address: string): string | undefined {
  if (isIPv4(address)) return address.slice(0, address.lastIndexOf("."));
  return isIPv6(address) ? networkOf(address).split(":").slice(0, 3).join(":") : undefined;
}
