import { choiceSetting, numberSetting } from "./settings.ts";

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
  organizationNewMembers: choiceSetting({
    key: "organizations.newMembers",
    variable: "ENTREPOT_ORGANIZATIONS_NEW_MEMBERS",
    choices: ["added", "invited"],
    defaultValue: "added",
    description:
      "How somebody who is in no team of an organization yet gets into one: at once, or when they have accepted an invitation. Administrators of the registry always add at once.",
  }),
  invitationDays: numberSetting({
    key: "organizations.invitationDays",
    variable: "ENTREPOT_ORGANIZATIONS_INVITATION_DAYS",
    defaultValue: 7,
    min: 1,
    max: 90,
    description: "How many days an invitation can be accepted.",
  }),
  maxRobotDays: numberSetting({
    key: "robots.maxDays",
    variable: "ENTREPOT_ROBOTS_MAX_DAYS",
    defaultValue: 0,
    min: 0,
    max: 36_500,
    description:
      "Longest life, from now on, that a robot can be given, in days. 0 = any, and robots that never expire.",
  }),
} as const;
