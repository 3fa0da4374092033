import { networksSetting } from "./settings.ts";

/** What the registry may call by itself. */
export const outgoingSettings = {
  outgoingAllowedNetworks: networksSetting({
    key: "outgoing.allowedNetworks",
    variable: "ENTREPOT_OUTGOING_ALLOWED_NETWORKS",
    defaultValue: [],
    defaultText: "none: public addresses only",
    description:
      "Networks that the registry may call although they are not public: sign-in providers, decision points and webhooks inside one's own network. Everything private, local or special is refused otherwise, whatever name leads there.",
  }),
};
