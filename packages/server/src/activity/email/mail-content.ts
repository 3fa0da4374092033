/** What a mail says, before it has a form. Text and HTML are made of the same content, so they cannot differ. */
export interface MailContent {
  /** One line. */
  readonly subject: string;
  readonly paragraphs: readonly string[];
  /** The one thing to be done; `path` is of this registry and begins with a slash. */
  readonly action?: { readonly label: string; readonly path: string } | undefined;
  /** Small print, such as what to do when one did not ask for it. */
  readonly footnote?: string | undefined;
}

/** A mail in its two forms. */
export interface RenderedMail {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

const maxSubjectLength = 150;
const maxParagraphLength = 2_000;

/**
 * Text and HTML of a mail. Whatever comes from people (names, reasons) is put on one line, shortened and escaped: nothing in it becomes a header, an
 * element or a link.
 */
export function renderMail(content: MailContent, registry: { readonly publicUrl: string }): RenderedMail {
  const { publicUrl } = registry;
  const subject = oneLine(content.subject, maxSubjectLength);
  const paragraphs = content.paragraphs.map((paragraph) => oneLine(paragraph, maxParagraphLength));
  const action = content.action && {
    label: oneLine(content.action.label, maxSubjectLength),
    url: addressOf(publicUrl, content.action.path),
  };
  const footnote = content.footnote === undefined ? undefined : oneLine(content.footnote, maxParagraphLength);
  const host = new URL(publicUrl).host;
  return {
    subject,
    text: textOf({ paragraphs, action, footnote, host }),
    html: htmlOf({ subject, paragraphs, action, footnote, host }),
  };
}

interface Parts {
  readonly paragraphs: readonly string[];
  readonly action: { readonly label: string; readonly url: string } | undefined;
  readonly footnote: string | undefined;
  readonly host: string;
}

function textOf({ paragraphs, action, footnote, host }: Parts): string {
  const blocks = [
    ...paragraphs,
    ...(action === undefined ? [] : [`${action.label}:\n${action.url}`]),
    ...(footnote === undefined ? [] : [footnote]),
    `-- \n${host}`,
  ];
  return `${blocks.join("\n\n")}\n`;
}

function htmlOf({
  subject,
  paragraphs,
  action,
  footnote,
  host,
}: Parts & { readonly subject: string }): string {
  const blocks = [
    ...paragraphs.map((paragraph) => `<p>${escapeHtml(paragraph)}</p>`),
    ...(action === undefined
      ? []
      : [
          `<p><a href="${escapeHtml(action.url)}" style="display:inline-block;padding:10px 18px;border-radius:6px;background:#1f4f8f;color:#ffffff;text-decoration:none">${escapeHtml(action.label)}</a></p>`,
          `<p style="font-size:13px;color:#555555">${escapeHtml(action.url)}</p>`,
        ]),
    ...(footnote === undefined
      ? []
      : [`<p style="font-size:13px;color:#555555">${escapeHtml(footnote)}</p>`]),
  ];
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>${escapeHtml(subject)}</title></head>
<body style="margin:0;padding:24px;font-family:sans-serif;font-size:15px;line-height:1.5;color:#222222">
<div style="max-width:560px">
${blocks.join("\n")}
<hr style="border:0;border-top:1px solid #dddddd">
<p style="font-size:13px;color:#555555">${escapeHtml(host)}</p>
</div>
</body>
</html>
`;
}

/** Always an address of ours, whatever the path: `//host` would lead elsewhere. */
function addressOf(publicUrl: string, path: string): string {
  return new URL(`/${path.replace(/^[/\\]+/, "")}`, publicUrl).href;
}

function oneLine(text: string, maxLength: number): string {
  // Controls and marks that turn the direction of text around would let a name forge what stands beside it.
  const line = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ").trim();
  const characters = Array.from(line);
  return characters.length <= maxLength ? line : `${characters.slice(0, maxLength - 1).join("")}…`;
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? "");
}
