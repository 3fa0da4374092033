import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type CredentialScope,
  type CredentialScopeJson,
  carries,
  matchesAnyTag,
  tagLimits,
  toCredentialScope,
} from "./credential-scope.ts";
import { intersectScopes } from "./intersect-scopes.ts";

const scopes = (list: readonly CredentialScopeJson[]) => list.map(toCredentialScope);

test("keeps what both carry", () => {
  const box = scopes([{ repositories: "acme/free/**", actions: ["pull", "push"] }]);
  const one = (scope: CredentialScopeJson) => intersectScopes(scopes([scope]), box);
  assert.deepEqual(
    one({ repositories: "acme/free/app", tags: "1.*", actions: ["pull", "delete"] }),
    scopes([{ repositories: "acme/free/app", tags: "1.*", actions: ["pull"] }]),
  );
  assert.deepEqual(
    one({ repositories: "acme/**", actions: ["pull"] }),
    scopes([{ repositories: "acme/free/**", actions: ["pull"] }]),
  );
  assert.deepEqual(one({ repositories: "other/**", actions: ["pull"] }), []);
  assert.deepEqual(one({ repositories: "acme/free/app", actions: ["delete"] }), []);
});

const pattern = fc.constantFrom(
  "acme/**",
  "acme/free/**",
  "acme/*",
  "acme/a*",
  "acme/*b",
  "acme/ab",
  "other/x",
  "**",
  "acme/free/app",
);
const tags = fc.constantFrom(undefined, "1.*", "1.2.*", "*", "latest", "*-rc");
const action = fc.constantFrom("pull" as const, "push" as const, "delete" as const);
const scope = fc.record({
  repositories: pattern,
  tags,
  actions: fc.array(action, { minLength: 1, maxLength: 3 }),
});

test("never carries what one of the two does not", () => {
  fc.assert(
    fc.property(
      fc.array(scope, { minLength: 1, maxLength: 3 }),
      fc.array(scope, { minLength: 1, maxLength: 3 }),
      action,
      fc.constantFrom("acme/ab", "acme/a", "acme/free/app", "other/x", "z", "acme/free"),
      fc.constantFrom("1.2.3", "1.0", "latest", "2-rc"),
      (left, right, asked, repository, tag) => {
        const sides = [scopes(left), scopes(right)];
        const both = intersectScopes(sides[0] ?? [], sides[1] ?? []);
        const allows = (list: readonly CredentialScope[]) => {
          if (!carries(list, asked, repository)) return false;
          const limits = tagLimits(list, asked, repository);
          return limits === undefined || matchesAnyTag(limits, tag);
        };
        if (allows(both)) for (const side of sides) assert.ok(allows(side));
      },
    ),
  );
});
