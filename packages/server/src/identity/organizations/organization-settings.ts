export interface OrganizationSettings {
  /** Who may create organizations. */
  readonly createdBy: "everyone" | "administrators";
  /** How somebody who is in no team of an organization yet gets into one: at once, or when they accept. */
  readonly newMembers: "added" | "invited";
  /** How long an invitation can be accepted. */
  readonly invitationDays: number;
  /** Longest life of a robot; 0 = for good, if wanted. */
  readonly maxRobotDays: number;
}
