import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { runScript } from "./run-script.ts";

/** Makes a CA and a certificate of it for 127.0.0.1; the CA is `tls/ca.crt` in the folder, alone there as some clients want it. */
export async function makeCertificate(
  folder: string,
): Promise<{ readonly key: Buffer; readonly cert: Buffer }> {
  await mkdir(join(folder, "tls"));
  await mkdir(join(folder, "keys"));
  await runScript(
    `
new="openssl req -newkey rsa:2048 -nodes -subj"
$new /CN=interop-ca -x509 -days 2 -keyout ca.key -out ../tls/ca.crt 2>/dev/null
$new /CN=127.0.0.1 -keyout server.key -out server.csr 2>/dev/null
openssl x509 -req -in server.csr -CA ../tls/ca.crt -CAkey ca.key -CAcreateserial -days 2 -out server.crt -extfile <(echo subjectAltName=IP:127.0.0.1) 2>/dev/null`,
    join(folder, "keys"),
    { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
  );
  const [key, cert] = await Promise.all(
    ["server.key", "server.crt"].map((name) => readFile(join(folder, "keys", name))),
  );
  if (key === undefined || cert === undefined) throw new Error("openssl made no certificate");
  return { key, cert };
}
