/**
 * What processes that share a database tell one another of at once:
 *   access    who may do what has changed
 *   removal   content that a digest named has been taken away, or lies elsewhere: a manifest, a link of a blob, a repository or its name
 *   jobs      there is a job to be run
 */
export const noticeTopics = ["access", "removal", "jobs"] as const;
export type NoticeTopic = (typeof noticeTopics)[number];

/** The channel of PostgreSQL's NOTIFY on which all instances listen; the payload is the topic. */
export const noticeChannel = "entrepot";
