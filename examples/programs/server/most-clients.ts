/** How many clients of its own a server can have by the limit of open files: each takes two, one for either end of its connection. */
export function mostClients(): number {
  const { userLimits } = process.report.getReport() as { userLimits?: { open_files: { soft: number | "unlimited" } } };
  const limit = userLimits?.open_files.soft ?? "unlimited";
  return limit === "unlimited" ? Number.POSITIVE_INFINITY : Math.floor((limit - 100) / 2);
}
