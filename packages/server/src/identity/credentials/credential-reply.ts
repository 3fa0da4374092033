import type { Reply, Request } from "../../http/endpoint.ts";
import type { QueryParameter } from "../../http/query-parameter.ts";
import {
  credentialFiles,
  kubernetesNameOf,
  kubernetesNamePattern,
  kubernetesSecret,
} from "./docker-config.ts";

/** Replies with a fresh secret are kept by nobody on the way. */
const noStore = { "cache-control": "no-store" };

/** How a reply with a fresh secret can be had; endpoints that use `credentialReply` declare these. */
export const credentialFormats: readonly QueryParameter[] = [
  {
    name: "format",
    form: "text",
    values: ["docker", "kubernetes"],
    description: "reply with one file only: a docker config.json, or a Secret for `kubectl apply -f -`",
  },
  {
    name: "secretName",
    form: "text",
    maxLength: 253,
    pattern: kubernetesNamePattern,
    description: "what the Secret is called",
  },
];

/** The reply that tells a fresh secret: `value` with the secret and the files that use it; or only the file that `credentialFormats` asks for. */
export function credentialReply(
  request: Request,
  status: 200 | 201,
  told: { readonly username: string; readonly secret: string; readonly value: object },
): Reply {
  const files = credentialFiles(request.origin, told.username, told.secret);
  const format = request.query.get("format");
  if (format === "docker") {
    return { status, headers: noStore, body: { kind: "json", value: files.dockerConfig } };
  }
  if (format === "kubernetes") {
    const name = request.query.get("secretName") ?? kubernetesNameOf(told.username);
    return {
      status,
      headers: { ...noStore, "content-type": "application/yaml" },
      body: { kind: "text", text: kubernetesSecret(name, files) },
    };
  }
  const value = { ...told.value, secret: told.secret, ...files };
  return { status, headers: noStore, body: { kind: "json", value } };
}
