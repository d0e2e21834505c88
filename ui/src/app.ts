// What makes the pages nicer when scripts run. Every page works without it; nothing here decides anything.
import { watchConfirms } from "./app/confirm";
import { watchCountdowns } from "./app/countdown";
import { watchForms } from "./app/forms";
import { watchIdle } from "./app/idle";
import { watchPage } from "./app/page";
import { watchPasskeys } from "./app/passkey";
import { watchRefresh } from "./app/refresh";
import { watchRows } from "./app/rows";

watchPage();
watchConfirms();
watchForms();
watchRows();
watchCountdowns();
watchRefresh();
watchIdle();
watchPasskeys();
