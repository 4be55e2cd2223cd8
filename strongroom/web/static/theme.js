// Before the first paint: the theme chosen earlier, and the mark that scripts run at all.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  try {
    const theme = localStorage.getItem("theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch { /* storage is off: the system's scheme it is */ }
})();
