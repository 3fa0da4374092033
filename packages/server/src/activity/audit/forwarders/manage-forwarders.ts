import { actorName } from "../../../access/actor.ts";
import type { Call } from "../../../http/endpoint.ts";
import { AppError } from "../../../lib/app-error.ts";
import { newSecret } from "../../../lib/ids.ts";
import type { Tx } from "../../../storage/database/database.ts";
import type { NewForwarder } from "../audit-schema.ts";
import { findChain } from "../chain-store.ts";
import { recordAudit } from "../record-audit.ts";
import { type ForwardingDeps, sealContextOf } from "./forward-entries.ts";
import {
  deleteForwarder,
  type Forwarder,
  type ForwarderSecrets,
  type ForwarderSettings,
  findForwarder,
  listForwarders,
  lockForwarder,
  putForwarder,
} from "./forwarder-store.ts";

export interface ShownForwarder {
  readonly forwarder: Forwarder;
  /** Sealed entries that have not arrived. */
  readonly waiting: number;
}

/** By name, with how far each is behind. */
export async function showForwarders(deps: ForwardingDeps): Promise<readonly ShownForwarder[]> {
  const chain = await findChain(deps.database.read);
  const end = chain?.head.sequence ?? 0;
  const forwarders = await listForwarders(deps.database.read);
  return forwarders.map((forwarder) => ({ forwarder, waiting: Math.max(0, end - forwarder.sentSequence) }));
}

/**
 * Makes a forwarder, or gives the one of that name new settings; a new one gets what is sealed from now on. Secrets that are left out stay; one that signs
 * posts is made when there is none, and told here only. `REQUEST_INVALID` for settings that cannot be; `DENIED` for an administrator for a time: entries go
 * to a place outside of their control.
 */
export async function saveForwarder(
  deps: ForwardingDeps,
  call: Call,
  name: string,
  body: NewForwarder,
): Promise<ShownForwarder & { readonly secret: string | undefined }> {
  refuseElevated(call);
  if (!/^[a-z0-9]+(?:[._-][a-z0-9]+)*$/.test(name) || name.length > 64) {
    throw new AppError(
      "REQUEST_INVALID",
      "a forwarder's name has lower-case letters and digits, in between . _ -",
    );
  }
  const settings = settingsOf(deps, body);
  const nowMs = deps.clock.nowMs();
  const made = body.kind === "https" && body.secret === undefined ? newSecret() : undefined;
  const told = await deps.database.transaction(async (tx) => {
    const before = await lockForwarder(tx, name);
    const keeps =
      before !== undefined && before.settings.kind === settings.kind && before.secret !== undefined;
    const given: ForwarderSecrets =
      body.kind === "https"
        ? { secret: body.secret ?? made ?? "" }
        : body.clientKey === undefined
          ? {}
          : { clientKey: body.clientKey };
    const isGiven = body.kind === "https" ? body.secret !== undefined : body.clientKey !== undefined;
    const sealed = deps.secretBox.seal(JSON.stringify(given), sealContextOf(name));
    await putForwarder(tx, {
      name,
      settings,
      secret: keeps && !isGiven ? before.secret : sealed,
      isEnabled: body.isEnabled ?? true,
      fromSequence: (await findChain(tx))?.head.sequence ?? 0,
      nowMs,
      createdBy: actorName(call.actor),
    });
    await recordAudit(tx, call, nowMs, {
      action: before === undefined ? "audit-forwarder.create" : "audit-forwarder.update",
      target: `audit forwarder ${name}`,
      ...(before === undefined ? {} : { before: placeOf(before.settings, before.isEnabled) }),
      after: placeOf(settings, body.isEnabled ?? true),
    });
    return keeps ? undefined : made;
  });
  const shown = (await showForwarders(deps)).find(({ forwarder }) => forwarder.name === name);
  if (shown === undefined) throw noSuchForwarder(name);
  return { ...shown, secret: told };
}

/** `NOT_FOUND` when there is none; `DENIED` as for saving. */
export async function removeForwarder(deps: ForwardingDeps, call: Call, name: string): Promise<void> {
  refuseElevated(call);
  await deps.database.transaction(async (tx: Tx) => {
    const before = name.includes("\0") ? undefined : await findForwarder(tx, name);
    if (before === undefined || !(await deleteForwarder(tx, name))) throw noSuchForwarder(name);
    await recordAudit(tx, call, deps.clock.nowMs(), {
      action: "audit-forwarder.delete",
      target: `audit forwarder ${name}`,
      before: placeOf(before.settings, before.isEnabled),
    });
  });
}

function settingsOf(deps: ForwardingDeps, body: NewForwarder): ForwarderSettings {
  if (body.kind === "https") {
    const url = URL.canParse(body.url) ? new URL(body.url) : undefined;
    if (url?.protocol !== "https:" || url.username !== "" || url.password !== "") {
      throw new AppError(
        "REQUEST_INVALID",
        "entries are posted to an https address without a password in it",
      );
    }
    return { kind: "https", url: body.url };
  }
  const { host, port, transport = "tls", format = "json", serverName } = body;
  if (transport === "tcp" && !deps.syslog.isPlainAllowed) {
    throw new AppError("REQUEST_INVALID", "syslog without TLS is not allowed; audit.plainSyslog allows it");
  }
  const { certificateAuthority, clientCertificate } = body;
  return {
    kind: "syslog",
    host,
    port,
    transport,
    format,
    ...(serverName === undefined ? {} : { serverName }),
    ...(certificateAuthority === undefined ? {} : { certificateAuthority }),
    ...(clientCertificate === undefined ? {} : { clientCertificate }),
  };
}

/** What the log says of a forwarder: an address of a webhook may have a secret in it. */
function placeOf(settings: ForwarderSettings, isEnabled: boolean) {
  return settings.kind === "https"
    ? { kind: settings.kind, host: new URL(settings.url).host, isEnabled }
    : {
        kind: settings.kind,
        host: settings.host,
        port: settings.port,
        transport: settings.transport,
        isEnabled,
      };
}

function refuseElevated({ actor }: Call): void {
  if (actor.kind !== "user" || actor.isElevatedAdmin !== true) return;
  throw new AppError("DENIED", "an administrator for a time cannot change where the audit log is sent");
}

function noSuchForwarder(name: string): AppError {
  return new AppError("NOT_FOUND", `there is no audit forwarder ${JSON.stringify(name.slice(0, 64))}`);
}
