/** With what a driver signs in, as the settings give it; each driver says what the two mean to it. */
export interface StorageKeys {
  readonly accessKey: string;
  readonly secretKey: string;
  readonly sessionToken: string | undefined;
  /** With what Swift's signed addresses are made; undefined = there are none. */
  readonly tempUrlKey?: string | undefined;
}
