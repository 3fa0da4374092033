export interface OrganizationSettings {
  /** Who may create organizations. */
  readonly createdBy: "everyone" | "administrators";
}
