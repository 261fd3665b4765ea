// ews-javascript-api, a port of Microsoft's EWS Managed API, reads, writes and watches calendars of the simulated Exchange server.
// Usage: node judge.mjs path/of/tenant-sim
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { XhrApi } from '@ewsjs/xhr';
import ews from 'ews-javascript-api';

const {
  Appointment, AppointmentSchema, AttendeeInfo, AvailabilityData, BasePropertySet, BodyType, CalendarFolder, CalendarView,
  ConflictResolutionMode, ConnectingIdType, DateTime, DayOfTheWeek, DeleteMode, EventType, ExchangeService, ExchangeVersion,
  FolderId, ImpersonatedUserId, LegacyFreeBusyStatus, Mailbox, MessageBody, PropertySet, Recurrence, SendCancellationsMode,
  SendInvitationsMode, SendInvitationsOrCancellationsMode, ServiceError, StreamingSubscriptionConnection, SyncFolderItemsScope,
  TimeWindow, TimeZoneInfo, Uri, WebCredentials, WellKnownFolderName,
} = ews;

function check(truth, seen) {
  if (!truth) throw new Error(JSON.stringify(seen) ?? 'not so');
}

const instant = (date) => date.TotalMilliSeconds;
const at = (text) => new DateTime(text);

class Judge {
  constructor(told) {
    this.told = told;
    this.password = readFileSync(told.password_file, 'utf8').trim();
  }

  // As the service account, impersonating a mailbox, or as the account itself.
  service(mailbox, { password = this.password, ntlm = false } = {}) {
    const service = new ExchangeService(ExchangeVersion.Exchange2016, TimeZoneInfo.Utc);
    service.Url = new Uri(this.told.url);
    // The library wants credentials in any case; with NTLM they are the transport's business.
    service.Credentials = new WebCredentials(this.told.account, password);
    if (ntlm) service.XHRApi = new XhrApi().useNtlmAuthentication(this.told.account, password);
    if (mailbox) {
      service.ImpersonatedUserId = new ImpersonatedUserId(ConnectingIdType.SmtpAddress, mailbox);
      service.HttpHeaders.Add('X-AnchorMailbox', mailbox);
    }
    return service;
  }

  calendar(service, from, to) {
    return service.FindAppointments(WellKnownFolderName.Calendar, new CalendarView(at(from), at(to)));
  }

  async create(service, subject, start, end, more = () => {}) {
    const made = new Appointment(service);
    made.Subject = subject;
    // The library writes text as it is given: what XML does not allow is the caller's to escape.
    made.Body = new MessageBody(BodyType.Text, 'a &amp; b &lt; c');
    made.Start = at(start);
    made.End = at(end);
    made.Location = 'Room 1';
    more(made);
    await made.Save(WellKnownFolderName.Calendar, SendInvitationsMode.SendToNone);
    return made;
  }
}

async function refused(promise, code) {
  try {
    await promise;
  } catch (error) {
    check(code(error), { message: error.message, code: ServiceError[error.ErrorCode], status: error.status ?? error.HttpStatusCode });
    return;
  }
  throw new Error('accepted');
}

function cases(judge, [first, second]) {
  const service = judge.service(first);
  let single;
  return [
    ['reads a folder', async () => {
      const folder = await CalendarFolder.Bind(service, WellKnownFolderName.Calendar);
      check(folder.Id.UniqueId && folder.FolderClass === 'IPF.Appointment', folder.FolderClass);
      check(service.ServerInfo.MajorVersion === 15, service.ServerInfo);
    }],
    ['creates an appointment and finds it', async () => {
      single = await judge.create(service, 'Judged', '2027-01-12T09:00:00Z', '2027-01-12T09:30:00Z');
      const { Items, MoreAvailable } = await judge.calendar(service, '2027-01-12T00:00:00Z', '2027-01-13T00:00:00Z');
      check(Items.length === 1 && !MoreAvailable, Items.length);
      check(Items[0].Subject === 'Judged' && Items[0].Id.UniqueId === single.Id.UniqueId, Items[0].Subject);
      check(instant(Items[0].Start) === Date.parse('2027-01-12T09:00:00Z'), Items[0].Start.toString());
    }],
    ['reads it with its body', async () => {
      const read = await Appointment.Bind(service, single.Id, new PropertySet(BasePropertySet.FirstClassProperties));
      check(read.Location === 'Room 1' && read.Body.Text.includes('a & b < c'), read.Body.Text);
      check(read.LegacyFreeBusyStatus === LegacyFreeBusyStatus.Busy, read.LegacyFreeBusyStatus);
    }],
    ['updates it', async () => {
      const read = await Appointment.Bind(service, single.Id);
      read.Subject = 'Judged again';
      read.Location = 'Room 2';
      await read.Update(ConflictResolutionMode.AutoResolve, SendInvitationsOrCancellationsMode.SendToNone);
      const again = await Appointment.Bind(service, single.Id);
      check(again.Subject === 'Judged again' && again.Location === 'Room 2', [again.Subject, again.Location]);
    }],
    ['an item that is not there has its own error', () => refused(
      Appointment.Bind(service, new ews.ItemId(`${single.Id.UniqueId.slice(0, -8)}AAAAAAA=`)),
      (error) => [ServiceError.ErrorItemNotFound, ServiceError.ErrorInvalidIdMalformed, ServiceError.ErrorInvalidId].includes(error.ErrorCode),
    )],
    ['a weekly series is expanded, and keeps its local time over the change of clocks', async () => {
      const series = await judge.create(service, 'Weekly', '2027-03-15T08:00:00Z', '2027-03-15T08:30:00Z', (made) => {
        made.StartTimeZone = TimeZoneInfo.FindSystemTimeZoneById('Romance Standard Time');
        made.Recurrence = new Recurrence.WeeklyPattern(at('2027-03-15T00:00:00Z'), 1, [DayOfTheWeek.Monday]);
        made.Recurrence.NumberOfOccurrences = 4;
      });
      const seen = async () => (await judge.calendar(service, '2027-03-14T00:00:00Z', '2027-04-30T00:00:00Z')).Items
        .filter((item) => item.Subject === 'Weekly').map((item) => new Date(instant(item.Start)).toISOString());
      const all = await seen();
      check(all.length === 4, all);
      const third = await Appointment.BindToOccurrence(service, series.Id, 3);
      await third.Delete(DeleteMode.MoveToDeletedItems, SendCancellationsMode.SendToNone);
      check((await seen()).length === 3, await seen());
      const hours = new Set(all.map((text) => text.slice(11, 13)));
      check(hours.size === 2, all);
    }],
    ['asks the availability of two mailboxes and of one that is not there', async () => {
      const who = [first, second, `nobody@${first.split('@')[1]}`].map((address) => new AttendeeInfo(address));
      const window = new TimeWindow(at('2027-01-12T00:00:00Z'), at('2027-01-14T00:00:00Z'));
      const { AttendeesAvailability } = await service.GetUserAvailability(who, window, AvailabilityData.FreeBusy);
      const [mine, other, nobody] = AttendeesAvailability.Responses;
      check(mine.CalendarEvents.length === 1, mine.CalendarEvents.length);
      check(instant(mine.CalendarEvents[0].StartTime) === Date.parse('2027-01-12T09:00:00Z'), mine.CalendarEvents[0].StartTime.toString());
      check(other.ErrorCode === ServiceError.NoError, ServiceError[other.ErrorCode]);
      check(nobody.ErrorCode === ServiceError.ErrorMailRecipientNotFound, ServiceError[nobody.ErrorCode]);
    }],
    ['synchronizes', async () => {
      const folder = new FolderId(WellKnownFolderName.Calendar, new Mailbox(first));
      let [state, names] = [null, []];
      for (let more = true; more;) {
        const changes = await service.SyncFolderItems(folder, new PropertySet(BasePropertySet.IdOnly, AppointmentSchema.Subject), null, 100,
          SyncFolderItemsScope.NormalItems, state);
        names.push(...changes.GetEnumerator().map((change) => change.Item.Subject));
        [state, more] = [changes.SyncState, changes.MoreChangesAvailable];
      }
      check(names.includes('Judged again'), names);
      const nothing = await service.SyncFolderItems(folder, new PropertySet(BasePropertySet.IdOnly), null, 100, SyncFolderItemsScope.NormalItems, state);
      check(nothing.Count === 0, nothing.Count);
    }],
    ['is told by streaming of what is created', async () => {
      const subscription = await service.SubscribeToStreamingNotifications([new FolderId(WellKnownFolderName.Calendar)], EventType.Created);
      const connection = new StreamingSubscriptionConnection(service, 1);
      connection.AddSubscription(subscription);
      const told = new Promise((yes, no) => {
        connection.OnNotificationEvent.push((_, args) => yes(args.Events));
        connection.OnSubscriptionError.push((_, args) => no(args.Exception ?? new Error('subscription error')));
        setTimeout(() => no(new Error('no notification within 20 s')), 20_000).unref();
      });
      connection.Open();
      await new Promise((later) => { setTimeout(later, 1_000); });
      const other = judge.service(first);
      const made = await judge.create(other, 'Told', '2027-02-01T09:00:00Z', '2027-02-01T10:00:00Z');
      const events = await told;
      check(events.some((event) => event.ItemId?.UniqueId === made.Id.UniqueId), events.map((event) => event.ItemId?.UniqueId));
      connection.Close();
    }],
    ['deletes', async () => {
      const read = await Appointment.Bind(service, single.Id);
      await read.Delete(DeleteMode.HardDelete, SendCancellationsMode.SendToNone);
      const { Items } = await judge.calendar(service, '2027-01-12T00:00:00Z', '2027-01-13T00:00:00Z');
      check(Items.length === 0, Items.length);
    }],
    ['signs in by NTLM', async () => {
      const folder = await CalendarFolder.Bind(judge.service(first, { ntlm: true }), WellKnownFolderName.Calendar);
      check(folder.FolderClass === 'IPF.Appointment', folder.FolderClass);
    }],
    ['is refused with a wrong password', () => refused(
      CalendarFolder.Bind(judge.service(first, { password: 'not-the-password' }), WellKnownFolderName.Calendar),
      (error) => /401|unauthorized/i.test(`${error.message} ${error.status} ${error.HttpStatusCode}`),
    )],
  ];
}

async function run(told) {
  const judge = new Judge(told);
  let [passed, failed] = [0, 0];
  const all = cases(judge, told.mailboxes);
  for (const [name, one] of all) {
    try {
      await one();
      passed += 1;
      console.log(`ok     ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED ${name}: ${error?.name}: ${error?.message ?? error?.responseText ?? error}`);
    }
  }
  console.log(`ews-javascript-api: ${passed} passed, ${failed} failed`);
  return failed === 0 && passed === all.length && passed === 12 ? 0 : 1;
}

const folder = mkdtempSync(join(tmpdir(), 'ews-javascript-api-'));
// The built-in tenant has one mailbox on premises; the judge needs two.
const scenario = join(folder, 'scenario.toml');
writeFileSync(scenario, `${execFileSync(process.argv[2], ['scenario'])}
[[users]]
name = "nora"
display_name = "Nora North"
mailbox = "remote"
`);
const tenant = spawn(process.argv[2], ['serve', '--scenario', scenario, '--propagation', 'instant', '--ca-file', join(folder, 'ca.pem'), '--secret-file', join(folder, 'secret')],
  { stdio: ['ignore', 'pipe', 'inherit'] });
let code = 1;
try {
  const { value } = await createInterface({ input: tenant.stdout })[Symbol.asyncIterator]().next();
  check(value, 'tenant-sim printed nothing');
  code = await run(JSON.parse(value).exchange_server);
} finally {
  tenant.kill();
  rmSync(folder, { recursive: true });
}
process.exit(code);
