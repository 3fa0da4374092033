import { numberSetting } from "./settings.ts";

const bounds = { defaultValue: 0, min: 0, max: 10_000_000 };
const rest =
  "A whole minute's worth may come at once, as pulls do; what is beyond is answered 429 with `Retry-After`. Counted by each process for itself. 0 = no limit.";

/** How many requests are taken from whom. */
export const rateSettings = {
  requestsPerMinutePerAddress: numberSetting({
    ...bounds,
    key: "limits.requestsPerMinutePerAddress",
    variable: "ENTREPOT_REQUESTS_PER_MINUTE_PER_ADDRESS",
    description: `Requests a minute from one IPv4 address or IPv6 network (/64), signed in or not; a whole office may share one. ${rest}`,
  }),
  requestsPerMinutePerAccount: numberSetting({
    ...bounds,
    key: "limits.requestsPerMinutePerAccount",
    variable: "ENTREPOT_REQUESTS_PER_MINUTE_PER_ACCOUNT",
    description: `Requests a minute of one account, whatever it shows. ${rest}`,
  }),
  requestsPerMinutePerCredential: numberSetting({
    ...bounds,
    key: "limits.requestsPerMinutePerCredential",
    variable: "ENTREPOT_REQUESTS_PER_MINUTE_PER_CREDENTIAL",
    description: `Requests a minute with one access token, one browser session or one password. ${rest}`,
  }),
} as const;
