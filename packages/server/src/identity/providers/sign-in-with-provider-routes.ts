import { type Endpoint, endpoint, type Reply } from "../../http/endpoint.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { type Providers, takesPasswords } from "./open-providers.ts";
import { beginSignIn, finishSignIn, signOutAddress } from "./redirect-sign-in.ts";
import { refusalPage, secondFactorPage, wantsPage } from "./sign-in-page.ts";
import { clearState } from "./sign-in-state.ts";

const schemas = () => import("./provider-schema.ts");

/** How a browser finds a way to sign in and goes it; open to everybody. */
export function signInWithProviderEndpoints(deps: IdentityDeps, providers: Providers): readonly Endpoint[] {
  return [
    endpoint({
      id: "sign-in-methods.list",
      method: "GET",
      path: "/api/v1/sign-in-methods",
      can: { who: "public" },
      summary: "Ways to sign in beside a password of the registry's own, for a sign-in page.",
      reply: async () => (await schemas()).signInMethods,
      handle: async () => {
        const methods = (await providers.list())
          .filter((one) => one.isEnabled)
          .map(({ name, kind, displayName }) => {
            const how = takesPasswords(kind) ? "password" : "redirect";
            return {
              id: name,
              kind,
              displayName,
              how,
              address: how === "redirect" ? `/api/v1/sign-in/${name}` : null,
            };
          });
        return { status: 200, body: { kind: "json", value: { methods } } };
      },
    }),
    endpoint({
      id: "sign-in.begin",
      method: "GET",
      path: "/api/v1/sign-in/{provider}",
      can: { who: "public" },
      summary: "Send a browser to a provider to sign in (`returnTo`: a path to come back to).",
      handle: async (call, request) => {
        try {
          const { address, setCookie } = await beginSignIn(deps, providers, call, request, {
            provider: request.params["provider"] ?? "",
            returnTo: request.query.get("returnTo"),
          });
          return redirect(address, [setCookie]);
        } catch (error) {
          if (!wantsPage(request.headers)) throw error;
          call.log.info({ error }, "a sign-in did not begin");
          return refusalPage(error, call.requestId, {});
        }
      },
    }),
    endpoint({
      id: "sign-in.finish",
      method: "GET",
      path: "/api/v1/sign-in/{provider}/callback",
      can: { who: "public" },
      summary: "Where a provider sends the browser back to.",
      handle: async (call, request) => {
        try {
          const finished = await finishSignIn(deps, providers, call, request);
          if (finished.kind === "second-factor") {
            const cookie = { "set-cookie": clearState(request.origin), "cache-control": "no-store" };
            if (wantsPage(request.headers)) return secondFactorPage(finished.offer, cookie);
            const value = { mfaRequired: true, ...finished.offer };
            return { status: 200, headers: cookie, body: { kind: "json", value } };
          }
          const { returnTo, setCookie } = finished;
          const cookies = [clearState(request.origin), ...(setCookie === undefined ? [] : [setCookie])];
          return redirect(returnTo, cookies);
        } catch (error) {
          if (!wantsPage(request.headers)) throw error;
          call.log.info({ error }, "a sign-in was refused");
          return refusalPage(error, call.requestId, { "set-cookie": clearState(request.origin) });
        }
      },
    }),
    endpoint({
      id: "sign-in.end-elsewhere",
      method: "GET",
      path: "/api/v1/sign-in/{provider}/sign-out",
      can: { who: "public" },
      summary: "Send a browser to the provider to sign out there; to / where that cannot be.",
      handle: async (call, request) => redirect((await signOutAddress(providers, call, request)) ?? "/", []),
    }),
  ];
}

function redirect(location: string, cookies: readonly string[]): Reply {
  return {
    status: 303,
    headers: {
      location,
      "cache-control": "no-store",
      "referrer-policy": "no-referrer",
      ...(cookies.length === 0 ? {} : { "set-cookie": cookies }),
    },
  };
}
