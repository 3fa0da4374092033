const maxLength = 1_000;

/** Where a browser goes after signing in: a path of ours, whatever was asked for. What is none, or leads elsewhere, is "/". */
export function safeReturnTo(asked: string | null | undefined, origin: string): string {
  // A second slash or a backslash begins a host name for browsers, and they drop control characters first.
  const isPath = asked != null && asked.length <= maxLength && /^\/(?![/\\])[^\\\p{Cc}]*$/u.test(asked);
  if (!isPath || !URL.canParse(asked, origin)) return "/";
  const url = new URL(asked, origin);
  // Dots are resolved by now: "/.//evil.example" is a path of ours that reads as a host once it stands alone.
  const isOurs = url.origin === new URL(origin).origin && !url.pathname.startsWith("//");
  return isOurs ? `${url.pathname}${url.search}${url.hash}` : "/";
}
