import { readFile } from "node:fs/promises";
import { createHttpTransport } from "@entrepot/client/http-transport";
import { readErrorText, readJson } from "@entrepot/client/read-body";
import { isObject } from "@entrepot/oci/json-object";
import type { CliContext } from "./cli-context.ts";
import { refusalOf } from "./management-request.ts";
import { findOrigin } from "./registry-access.ts";

/** What a registry gave for the token of a CI system or cluster. */
export interface ExchangedToken {
  readonly username: string;
  readonly password: string;
  readonly expiresInSeconds: number;
}

/** Exchanges the token in a file by a trust rule of the registry (RFC 8693). An `Error` in the server's own words when it refuses. */
export async function exchangeToken(
  context: CliContext,
  host: string,
  exchange: { readonly tokenFile: string; readonly rule: string },
): Promise<ExchangedToken> {
  const { options, signal } = context;
  const token = (await readFile(exchange.tokenFile, "utf8")).trim();
  const transport = createHttpTransport({
    ...(options.caFile !== undefined && { certificateAuthority: await readFile(options.caFile, "utf8") }),
    ...(options.insecure === true && { acceptAnyCertificate: true }),
  });
  try {
    const form = new URLSearchParams({
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      subject_token: token,
      subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
      rule: exchange.rule,
    });
    const response = await transport.send({
      method: "POST",
      url: new URL("/api/v1/federation/token", await findOrigin(host, context)),
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: () => Buffer.from(form.toString()),
      mayRepeat: false,
      what: "exchange the token",
      signal,
    });
    if (response.status !== 200) {
      const what = "exchange the token";
      throw refusalOf(await readErrorText(response), { what, host, status: response.status });
    }
    const json = await readJson(response, `the answer of ${host}`);
    const { username, access_token: password, expires_in: expiresInSeconds } = isObject(json) ? json : {};
    if (
      typeof username !== "string" ||
      typeof password !== "string" ||
      typeof expiresInSeconds !== "number"
    ) {
      throw new Error(`${host} gave no credential for the token`);
    }
    return { username, password, expiresInSeconds };
  } finally {
    await transport.close();
  }
}
