---@meta hooks
-- Generated from the hooks' definitions; change those.

---The moment of the question, UTC: the only clock that a policy has
---@class Now
---@field epoch_seconds integer Seconds since 1970
---@field year integer Year, UTC
---@field month integer 1 … 12
---@field day integer 1 … 31
---@field hour integer 0 … 23
---@field minute integer 0 … 59
---@field second integer 0 … 59
---@field weekday integer 1 is Monday, 7 is Sunday

---The event
---@class OnPaymentEvent
---@field type "dispute_opened"|"refund_created"|"checkout_completed"|"payment_succeeded"|"payment_failed"|"subscription_cancelled"|"subscription_updated" What happened, whatever the provider calls it
---@field provider string Name of the payment provider

---Who pays
---@class OnPaymentTenant
---@field id string UUID of the tenant

---The subscription that the event is about
---@class OnPaymentSubscription
---@field id string UUID of the subscription here
---@field tier string Name of the tier; empty while unknown
---@field interval "month"|"year" How often it is paid
---@field status "pending"|"active"|"grace"|"suspended"|"cancelled" Standing before this event's plan
---@field quantity integer Units paid for
---@field period_end_seconds? integer End of what is paid for, seconds since 1970
---@field failed_payments integer Failed attempts on what is still unpaid

---The amount that the event names
---@class OnPaymentPayment
---@field amount_minor integer In the currency's minor unit
---@field currency string ISO 4217

---The buyer
---@class OnPaymentCustomer
---@field age_days integer Days since the tenant's first checkout

---A payment provider told something: which licence, mail and staff actions follow? The kernel checks each against the facts.
---@class OnPaymentInput
---@field event OnPaymentEvent The event
---@field tenant OnPaymentTenant Who pays
---@field subscription? OnPaymentSubscription The subscription that the event is about
---@field payment? OnPaymentPayment The amount that the event names
---@field customer? OnPaymentCustomer The buyer
---@field now Now The moment of the question, UTC: the only clock that a policy has

---The caller.
---@class OnRoleCheckUser
---@field role string The role in this tenant, or the platform role.

---Where.
---@class OnRoleCheckTenant
---@field kind "individual"|"organization"|"enterprise" What kind of tenant.

---Whether a role may use a permission. Asked at each use, never believed from a token.
---@class OnRoleCheckInput
---@field user OnRoleCheckUser The caller.
---@field permission string As the route declares it: `licenses:read`.
---@field tenant OnRoleCheckTenant Where.
---@field now Now The moment of the question, UTC: the only clock that a policy has

---Terms of allow in on_role_check.
---@class OnRoleCheckTerms

---Who asks.
---@class OnSeatRequestUser
---@field id string Handle of the user.
---@field role string The user's role in the tenant.
---@field recent_devices? integer Other devices on which the user began a lease in the last 24 hours, up to 200.

---For which device.
---@class OnSeatRequestDevice
---@field id string Handle of the hardware id: comparable, not readable.
---@field hostname? string As the client says.
---@field os? string As the client says.
---@field version? string The client's version, as it says.

---Under which licence.
---@class OnSeatRequestLicense
---@field id string The licence.
---@field tier string Its tier.
---@field status string `active` or `grace`.
---@field seats integer Seats of the licence.
---@field seats_used integer Leases that live now; the ledger counts again.

---Whether a user may have a seat for a device, and on what terms.
---@class OnSeatRequestInput
---@field purpose? string `acquire` or `borrow`: to run now, or to take the seat away from the network.
---@field borrow_hours? integer For how long the seat is to be borrowed.
---@field user OnSeatRequestUser Who asks.
---@field device OnSeatRequestDevice For which device.
---@field license OnSeatRequestLicense Under which licence.
---@field now Now The moment of the question, UTC: the only clock that a policy has

---Terms of allow in on_seat_request.
---@class OnSeatRequestTerms
---@field overdraft_seats? integer Leases allowed beyond the licence's seats.
---@field lease_ttl_seconds? integer How long a lease lives without a heartbeat.
---@field linger_seconds? integer How long the seat stays the device's after its release.
---@field minimum_hold_seconds? integer Before which the seat goes to no other device, however soon it is released.
---@field borrow_hours? integer The longest time to lend a seat for.

---Who signs up.
---@class OnSignupUser
---@field email_domain string The domain of the mail address, lower case.

---How far the pilot is taken up.
---@class OnSignupPilot
---@field enabled boolean The setting identity.pilot_signup (ENABLE_PILOT_SIGNUP).
---@field limit integer The setting identity.pilot_users_limit (PILOT_USERS_LIMIT).
---@field used integer Pilot users so far.

---Whether somebody may sign up. Pilot tiers are those whose id begins with pilot_.
---@class OnSignupInput
---@field user OnSignupUser Who signs up.
---@field organization_kind "individual"|"organization" What tenant the sign-up would found.
---@field tier? string The tier chosen on the way in, if any.
---@field pilot OnSignupPilot How far the pilot is taken up.
---@field now Now The moment of the question, UTC: the only clock that a policy has

---Terms of allow in on_signup.
---@class OnSignupTerms

---@class Answer

---@class Action

---@class SettingDeclaration
---@field type "integer"|"string"|"boolean"|"choice"
---@field default? integer|string|boolean
---@field min? integer
---@field max? integer
---@field values? string[]
---@field summary? string

---@class Policy
---@field id string
---@field api 1
---@field summary? string
---@field settings? table<string, SettingDeclaration>
---@field data? string[]
---@field on_payment? fun(request: OnPaymentInput, settings: table, data: table): Answer?
---@field on_role_check? fun(request: OnRoleCheckInput, settings: table, data: table): Answer?
---@field on_seat_request? fun(request: OnSeatRequestInput, settings: table, data: table): Answer?
---@field on_signup? fun(request: OnSignupInput, settings: table, data: table): Answer?

---Allows, with terms that the kernel applies under its own limits.
---@param terms? OnRoleCheckTerms|OnSeatRequestTerms|OnSignupTerms
---@return Answer
function allow(terms) end

---Refuses. The reason is a-z, 0-9 and _.
---@param reason string
---@param options? { retry_after_seconds?: integer }
---@return Answer
function deny(reason, options) end

---Answers with actions; plan{} does nothing at all.
---@param actions Action[]
---@return Answer
function plan(actions) end

---Whether the list holds the value.
---@param list any[]
---@param value any
---@return boolean
function contains(list, value) end

---At checkout_completed: let the licence be issued. Without it the subscription waits for staff.
---@param fields {  }
---@return Action
function issue_license(fields) end

---At payment_succeeded: let the paid period count.
---@param fields {  }
---@return Action
function renew_license(fields) end

---At payment_failed: everything works this long from the first failure. Without it access ends at once.
---@param fields { days?: integer }
---@return Action
function start_grace(fields) end

---Suspend until a later event's plan restores access.
---@param fields {  }
---@return Action
function suspend_license(fields) end

---Lift a suspension; at payment_succeeded also what the failed payment had brought.
---@param fields {  }
---@return Action
function restore_access(fields) end

---End access, now or at the end of the paid period.
---@param fields { when: "now"|"period_end" }
---@return Action
function end_subscription(fields) end

---A mail to the tenant's owners, once for each thing that happened.
---@param fields { template: string }
---@return Action
function send_mail(fields) end

---Tell staff.
---@param fields { reason: string }
---@return Action
function notify_staff(fields) end
