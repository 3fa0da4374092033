import assert from "node:assert/strict";
import { test } from "node:test";
import { DeleteBucketPolicyCommand, PutBucketPolicyCommand } from "@aws-sdk/client-s3";
import { systemClock } from "../../../lib/clock.ts";
import { examineMedium } from "../objects/examine-medium.ts";
import { openObjectMedium } from "../open-object-medium.ts";
import { createBucket } from "./create-bucket.ts";
import { openS3Client } from "./open-s3-client.ts";
import type { ObjectServer } from "./start-object-server.ts";

const rights: readonly (readonly [string, string])[] = [
  ["s3:PutObject", "put an object"],
  ["s3:GetObject", "get a range of it"],
  ["s3:ListBucket", "list objects"],
  ["s3:ListBucketMultipartUploads", "end an unfinished object"],
  ["s3:DeleteObject", "delete objects"],
];

/** What the doctor says where one right is taken away by the bucket's policy. */
export function missingRightTests(server: () => ObjectServer): void {
  for (const [right, step] of rights) {
    test(`without ${right} the doctor cannot ${step}, and says which rights are needed`, async () => {
      const bucket = await createBucket(server());
      const client = openS3Client(server());
      const resources = [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`];
      const statement = { Effect: "Deny", Principal: "*", Action: right, Resource: resources };
      const Policy = JSON.stringify({ Version: "2012-10-17", Statement: [statement] });
      await client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }));
      const url = `s3://${bucket}?endpoint=${server().origin}&pathStyle=true`;
      const medium = await openObjectMedium(url, server().keys, systemClock);
      assert.ok(medium !== undefined);
      const { name, problem } = (await examineMedium(medium)).at(-1) ?? {};
      assert.equal(name, step, String(problem));
      assert.match(String(problem), /refuses this \(AccessDenied\): the account needs .*DeleteObject/);
      await client.send(new DeleteBucketPolicyCommand({ Bucket: bucket }));
      await medium.close();
      client.destroy();
    });
  }
}
