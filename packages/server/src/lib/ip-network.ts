import { isIP, isIPv4 } from "node:net";
import { AppError } from "./app-error.ts";

/** A block of addresses, as "10.0.0.0/8" or "2001:db8::/32" write it. */
export interface IpNetwork {
  /** 32 or 128. */
  readonly addressBits: number;
  readonly first: bigint;
  readonly last: bigint;
  /** As it was written, without what lies beyond the prefix: "10.1.2.3/8" is "10.1.2.3/8" still, and means 10.0.0.0/8. */
  readonly text: string;
}

interface IpAddress {
  readonly addressBits: number;
  readonly value: bigint;
}

// RFC 4291, 2.5.5.2: an IPv4 address as an IPv6 socket tells it.
const mappedPrefix = 0xffffn << 32n;
const maxTextLength = 64;

/**
 * Parses a network, or an address, which is a network of one. An IPv4 network in its IPv6 form (::ffff:10.0.0.0/104) is the IPv4 network.
 * `REQUEST_INVALID` when it is neither.
 */
export function parseIpNetwork(text: string): IpNetwork {
  const [addressText = "", prefixText, ...rest] = text.split("/");
  const raw = text.length > maxTextLength ? undefined : parseRaw(addressText);
  const prefix = prefixText === undefined ? raw?.addressBits : parsePrefix(prefixText);
  if (raw === undefined || prefix === undefined || rest.length > 0 || prefix > raw.addressBits) {
    throw new AppError(
      "REQUEST_INVALID",
      `${JSON.stringify(text.slice(0, maxTextLength))} is no network: write 192.0.2.0/24, 2001:db8::/32 or a single address`,
    );
  }
  const isMapped = raw.addressBits === 128 && raw.value >> 32n === 0xffffn && prefix >= 96;
  const addressBits = isMapped ? 32 : raw.addressBits;
  const value = isMapped ? raw.value - mappedPrefix : raw.value;
  const free = BigInt(raw.addressBits - prefix);
  const first = (value >> free) << free;
  return { addressBits, first, last: first + (1n << free) - 1n, text };
}

/** Whether the address lies in one of the networks. An IPv4 address in its IPv6 form is the IPv4 address; text that is no address lies nowhere. */
export function isInNetworks(networks: readonly IpNetwork[], address: string): boolean {
  const parsed = parseAddress(address);
  if (parsed === undefined) return false;
  return networks.some(
    (network) =>
      network.addressBits === parsed.addressBits &&
      network.first <= parsed.value &&
      parsed.value <= network.last,
  );
}

function parseAddress(text: string): IpAddress | undefined {
  const raw = parseRaw(text);
  if (raw === undefined || raw.addressBits === 32 || raw.value >> 32n !== 0xffffn) return raw;
  return { addressBits: 32, value: raw.value - mappedPrefix };
}

function parseRaw(text: string): IpAddress | undefined {
  // A zone ("fe80::1%eth0") says which interface, not which address.
  const [bare = ""] = text.split("%", 1);
  switch (isIP(bare)) {
    case 4:
      return { addressBits: 32, value: ipv4Value(bare) };
    case 6:
      return { addressBits: 128, value: ipv6Value(bare) };
    default:
      return undefined;
  }
}

function ipv4Value(text: string): bigint {
  return text.split(".").reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

function ipv6Value(text: string): bigint {
  const [before = "", after] = text.split("::");
  const head = groupsOf(before);
  const tail = after === undefined ? [] : groupsOf(after);
  const gap = Array.from({ length: 8 - head.length - tail.length }, () => 0n);
  return [...head, ...gap, ...tail].reduce((value, group) => (value << 16n) | group, 0n);
}

function groupsOf(text: string): readonly bigint[] {
  if (text === "") return [];
  return text.split(":").flatMap((part) => {
    if (!isIPv4(part)) return [BigInt(`0x${part}`)];
    const value = ipv4Value(part);
    return [value >> 16n, value & 0xffffn];
  });
}

function parsePrefix(text: string): number | undefined {
  return /^(?:0|[1-9][0-9]{0,2})$/.test(text) ? Number(text) : undefined;
}
