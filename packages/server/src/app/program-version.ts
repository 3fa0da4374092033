/** What the program calls itself to others; the packages' own version. */
export const programVersion = "0.1.0";
