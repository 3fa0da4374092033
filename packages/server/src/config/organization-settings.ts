import { choiceSetting } from "./settings.ts";

/** Settings of organizations, teams and robots. */
export const organizationSettings = {
  organizationCreation: choiceSetting({
    key: "organizations.createdBy",
    variable: "ENTREPOT_ORGANIZATIONS_CREATED_BY",
    choices: ["everyone", "administrators"],
    defaultValue: "everyone",
    description:
      "Who may create organizations: everyone who signs in, or administrators of the registry only.",
  }),
} as const;
