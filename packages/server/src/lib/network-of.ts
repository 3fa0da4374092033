import { isIPv6 } from "node:net";

/** Whoever has one IPv6 address has the /64 around it (RFC 6177, 2), so that is what counts; an IPv4 address counts by itself. */
export function networkOf(address: string): string {
  const [plain = ""] = address.split("%", 1);
  if (!isIPv6(plain)) return address;
  const [head = "", tail] = plain.toLowerCase().split("::");
  const groups = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    // An IPv4 address at the end stands for two groups; it is never among the first four.
    const last = tail === "" ? [] : tail.split(":");
    const width = last.length + (tail.includes(".") ? 1 : 0);
    while (groups.length + width < 8) groups.push("0");
    groups.push(...last);
  }
  return groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ""))
    .join(":");
}
