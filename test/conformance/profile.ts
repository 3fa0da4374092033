/** `stable` is distribution-spec 1.1, `dev` adds what the 1.2 draft adds, `dev+sparse` also pushes incomplete images. */
export const profileNames = ["stable", "dev", "dev+sparse"] as const;
export type ProfileName = (typeof profileNames)[number];

/** What a profile demands beyond the cases that all profiles share. */
export interface Profile {
  readonly name: ProfileName;
  /** Cancel an upload by DELETE of its location (end-14). When false, the case is counted as Disabled. */
  readonly cancelsUploads: boolean;
  /** `Docker-Content-Digest` must be present on pulls and on the 201 of a blob push; otherwise only correct if present. */
  readonly requiresDigestHeader: boolean;
  /** Push manifests by digest with `tag=` parameters (end-7b). When false, the two data sets are left out. */
  readonly pushesTagsByParameter: boolean;
  /** Push images and indexes whose layers or children are absent. When false, the data set is left out. */
  readonly pushesSparse: boolean;
}

const profiles: Readonly<Record<ProfileName, Profile>> = {
  stable: {
    name: "stable",
    cancelsUploads: false,
    requiresDigestHeader: false,
    pushesTagsByParameter: false,
    pushesSparse: false,
  },
  dev: {
    name: "dev",
    cancelsUploads: true,
    requiresDigestHeader: true,
    pushesTagsByParameter: true,
    pushesSparse: false,
  },
  "dev+sparse": {
    name: "dev+sparse",
    cancelsUploads: true,
    requiresDigestHeader: true,
    pushesTagsByParameter: true,
    pushesSparse: true,
  },
};

/** Returns the demands of a profile. */
export function getProfile(name: ProfileName): Profile {
  return profiles[name];
}

/** Returns the profile of that name, or undefined. */
export function findProfileName(text: string): ProfileName | undefined {
  return profileNames.find((name) => name === text);
}
