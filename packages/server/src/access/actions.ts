/** What can be done to a repository. 'pull' reads; 'push' adds and moves tags; 'delete' removes; 'admin' changes settings and grants. */
export const repositoryActions = ["pull", "push", "delete", "admin"] as const;
export type RepositoryAction = (typeof repositoryActions)[number];

/** What can be done to a namespace. 'view' shows its teams and settings; 'create' makes repositories in it; 'admin' everything else. */
export const namespaceActions = ["view", "create", "admin"] as const;
export type NamespaceAction = (typeof namespaceActions)[number];

/** Who may pull without a grant: nobody; every person and robot that signs in; anybody. */
export const visibilities = ["private", "internal", "public"] as const;
export type Visibility = (typeof visibilities)[number];

/** 'frozen' can be pulled and not changed; 'hidden' is as if it were not there, but for whoever administers it. */
export const repositoryStates = ["active", "frozen", "hidden"] as const;
export type RepositoryState = (typeof repositoryStates)[number];
