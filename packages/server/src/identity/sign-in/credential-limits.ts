/** Longest Authorization header that is looked at. Node takes 16 KiB for all headers together; what is longer than this is an attack. */
export const maxAuthorizationLength = 8_192;
