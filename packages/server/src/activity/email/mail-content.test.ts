import assert from "node:assert/strict";
import { test } from "node:test";
import { renderMail } from "./mail-content.ts";
import { composeMail } from "./mail-templates.ts";

const registry = { publicUrl: "https://registry.example.org:8443" };
const hostile = `<img src=x onerror=alert(1)>"'&\r\nSubject: x\u202e\u0007`;

test("nothing that people typed becomes an element, a header or a line of its own", () => {
  const data = {
    notice: {
      title: hostile,
      lines: [hostile],
      link: { label: hostile, path: `/a"><b>` },
      footnote: hostile,
    },
    "sign-up": { username: hostile, path: `/a?"><script>`, hours: 24 },
    "password-reset": { username: hostile, path: "//evil.test/x", minutes: 30 },
    "new-network": { username: hostile, address: hostile, program: hostile, at: hostile },
    test: { requestedBy: hostile },
  };
  for (const [kind, value] of Object.entries(data)) {
    const { subject, text, html } = renderMail(composeMail(kind, value), registry);
    assert.equal(/[\r\n\p{Cc}\p{Cf}]/u.test(subject), false, kind);
    assert.equal(/<(?:img|b|script)[ >]/.test(html), false, kind);
    assert.equal(/[\r\p{Cf}]/u.test(text + html), false, kind);
    assert.equal(/^Subject:/m.test(text), false, kind);
    assert.equal(
      /https?:\/\/(?!registry\.example\.org:8443)/.test(text + html),
      false,
      "only our own address",
    );
  }
});

test("a link leads to this registry, whatever the path", () => {
  for (const path of ["/x", "//evil.test/x", "\\\\evil.test/x", "/\\evil.test", "x"]) {
    const { text } = renderMail({ subject: "s", paragraphs: [], action: { label: "Go", path } }, registry);
    assert.match(text, /^Go:\nhttps:\/\/registry\.example\.org:8443\//);
  }
});

test("a long subject is shortened by characters, not by halves of them", () => {
  const { subject } = renderMail({ subject: "😀".repeat(400), paragraphs: [] }, registry);
  assert.equal(Array.from(subject).length, 150);
  assert.match(subject, /^(?:😀)+…$/u);
});

test("a kind that this version does not know is an error, not an empty mail", () => {
  for (const kind of ["nonsense", "toString", "__proto__"]) {
    assert.throws(() => composeMail(kind, {}), /knows no mail/);
  }
});
