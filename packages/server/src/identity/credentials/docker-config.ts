/** What a program needs to use a fresh secret, ready to be put where it looks for it. */
export interface CredentialFiles {
  /** Content of ~/.docker/config.json, which podman, skopeo, helm and Kubernetes read as well. */
  readonly dockerConfig: { readonly auths: Readonly<Record<string, DockerAuth>> };
  /** A line for a shell. */
  readonly dockerLogin: string;
}

interface DockerAuth {
  readonly username: string;
  readonly password: string;
  /** Base64 of user:secret; some programs read only this. */
  readonly auth: string;
}

/** For the registry at `origin`. */
export function credentialFiles(origin: string, username: string, secret: string): CredentialFiles {
  const { host } = new URL(origin);
  const auth = Buffer.from(`${username}:${secret}`).toString("base64");
  return {
    dockerConfig: { auths: { [host]: { username, password: secret, auth } } },
    dockerLogin: `printf %s ${quoted(secret)} | docker login ${host} --username ${quoted(username)} --password-stdin`,
  };
}

/** For a POSIX shell. */
function quoted(text: string): string {
  return /^[A-Za-z0-9._+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * A Secret of type kubernetes.io/dockerconfigjson as YAML, for `kubectl apply -f -`. Every value in it is base64 or a name that was checked, so that
 * nothing needs escaping.
 */
export function kubernetesSecret(name: string, files: CredentialFiles): string {
  const config = Buffer.from(JSON.stringify(files.dockerConfig)).toString("base64");
  return `apiVersion: v1
kind: Secret
metadata:
  name: "${name}"
type: kubernetes.io/dockerconfigjson
data:
  .dockerconfigjson: ${config}
`;
}

/** Names of Kubernetes' objects: RFC 1123, section 2.1. */
export const kubernetesNamePattern =
  "^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$";

/** A name for the Secret of an account that nobody has named. */
export function kubernetesNameOf(username: string): string {
  const name = username
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "");
  return `${name === "" ? "registry" : name}-pull`.slice(0, 200);
}
