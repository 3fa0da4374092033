import { isInNetworks, parseIpNetwork } from "./ip-network.ts";

/** https://www.iana.org/assignments/iana-ipv4-special-registry, and multicast: what is not one host on the internet. */
const specialIpv4 = [
  "0.0.0.0/8", // this network
  "10.0.0.0/8",
  "100.64.0.0/10", // carriers' own
  "127.0.0.0/8",
  "169.254.0.0/16", // link-local: the clouds' metadata
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/3", // multicast, reserved, broadcast
].map(parseIpNetwork);

/** Of IPv6 only this much is given out at all: loopback, link-local, unique local, NAT64 and mapped addresses lie elsewhere. */
const globalIpv6 = [parseIpNetwork("2000::/3")];

/** https://www.iana.org/assignments/iana-ipv6-special-registry, within it; tunnels carry an IPv4 address that nobody has looked at. */
const specialIpv6 = [
  "2001::/23", // protocol assignments, Teredo among them
  "2001:db8::/32",
  "2002::/16", // 6to4
  "3fff::/20",
].map(parseIpNetwork);

const allIpv4 = [parseIpNetwork("0.0.0.0/0")];

/** Whether an address is one of a single host on the public internet. False for everything private, special or unreadable. */
export function isPublicAddress(address: string): boolean {
  if (isInNetworks(allIpv4, address)) return !isInNetworks(specialIpv4, address);
  return isInNetworks(globalIpv6, address) && !isInNetworks(specialIpv6, address);
}
