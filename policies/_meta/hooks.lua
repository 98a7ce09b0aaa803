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

---Whose data.
---@class OnDataRequestUser
---@field id string Handle of the user.
---@field role string The role in the tenant.
---@field is_last_owner boolean Nobody else owns the tenant.

---Somebody asks for access, export, rectification, erasure, restriction, or objects: what follows?
---@class OnDataRequestInput
---@field kind "access"|"export"|"rectification"|"erasure"|"restriction"|"objection" GDPR articles 15 to 21.
---@field user OnDataRequestUser Whose data.
---@field region "us"|"eu"|"apac" Where the data lies.
---@field has_legal_hold boolean Something of theirs must not be deleted.
---@field days_open integer Days since it was asked; thirty are allowed.
---@field now Now The moment of the question, UTC: the only clock that a policy has

---Who invites.
---@class OnInviteUser
---@field id string Handle of the user.
---@field role string The user's role in the tenant.

---Who is invited.
---@class OnInviteInvited
---@field email_domain string The domain of the mail address, lower case.
---@field role string The role that is offered.
---@field is_own_domain boolean The tenant has proved that the domain is its own.

---Where to.
---@class OnInviteTenant
---@field kind "individual"|"organization"|"enterprise" What kind of tenant.
---@field tier? string Its tier, if it has one.
---@field members integer Members now.
---@field pending_invitations integer Invitations that nobody has answered.

---Whether a member may invite somebody to a role.
---@class OnInviteInput
---@field user OnInviteUser Who invites.
---@field invited OnInviteInvited Who is invited.
---@field tenant OnInviteTenant Where to.
---@field now Now The moment of the question, UTC: the only clock that a policy has

---Terms of allow in on_invite.
---@class OnInviteTerms
---@field expires_seconds? integer How long the invitation can be taken.

---Who signs in.
---@class OnLoginUser
---@field id string Handle of the user.
---@field email_domain string The domain of the mail address, lower case.
---@field role? string The role in the tenant; absent for a user of none.

---Where.
---@class OnLoginTenant
---@field kind "individual"|"organization"|"enterprise" What kind of tenant.
---@field tier? string Its tier, if it has one.
---@field has_allow_list boolean It lists the networks that its people sign in from.

---From which device.
---@class OnLoginDevice
---@field is_known boolean It signed in before.

---From where; the address itself is personal and stays out.
---@class OnLoginAddress
---@field is_listed boolean It lies in a network that the tenant lists.

---Whether a sign-in that proved who it is may begin a session, and with how many factors.
---@class OnLoginInput
---@field user OnLoginUser Who signs in.
---@field tenant OnLoginTenant Where.
---@field method "password"|"passkey"|"oauth"|"sso"|"recovery" How.
---@field factors integer Factors that were proved.
---@field device OnLoginDevice From which device.
---@field address OnLoginAddress From where; the address itself is personal and stays out.
---@field recent_failures integer Failed attempts on this account in the last hour.
---@field now Now The moment of the question, UTC: the only clock that a policy has

---Terms of allow in on_login.
---@class OnLoginTerms
---@field factors? integer Factors that the session needs; fewer were proved: the caller asks for another.
---@field session_seconds? integer How long the session lives at most.

---To whom.
---@class OnNotifyUser
---@field role? string The role in the tenant; absent for somebody outside.

---Whether a message goes out, and when. What the law or safety asks for goes out whatever is answered.
---@class OnNotifyInput
---@field template string Name of the template, like payment_failed.
---@field channel "mail"|"webhook"|"console" By which way.
---@field user OnNotifyUser To whom.
---@field tier? string The tenant's tier, if it has one.
---@field is_mandatory boolean It goes out whatever is answered.
---@field sent_today integer Messages to this person since midnight UTC.
---@field now Now The moment of the question, UTC: the only clock that a policy has

---Terms of allow in on_notify.
---@class OnNotifyTerms
---@field delay_seconds? integer How long it waits.

---The member who leaves, or who asked for the tenant.
---@class OnOffboardUser
---@field id string Handle of the user.
---@field role string The role in the tenant.
---@field is_last_owner boolean Nobody else owns the tenant.

---The buyer.
---@class OnOffboardCustomer
---@field age_days integer Days since the first checkout.

---A tenant or a member leaves: what happens at this stage? A last owner and a legal hold are the kernel's to keep.
---@class OnOffboardInput
---@field subject "tenant"|"member" Who leaves.
---@field stage "requested"|"period_end"|"retention_over" Where on the way.
---@field user OnOffboardUser The member who leaves, or who asked for the tenant.
---@field reason "price"|"missing_feature"|"quality"|"no_need"|"unpaid"|"other" Why, as they say.
---@field tier? string The tenant's tier, if it has one.
---@field customer OnOffboardCustomer The buyer.
---@field has_legal_hold boolean Something of theirs must not be deleted.
---@field has_refused_offer boolean An offer was made and not taken.
---@field cause? "left"|"removed"|"over"|"asked"|"cancelled"|"lapsed" How the member's place ended: left, removed, over; absent before it has. What makes the tenant leave: its owners asked, its last subscription was cancelled, nothing was paid for a long time.
---@field has_workstation? boolean The member who left has one; absent for a tenant.
---@field now Now The moment of the question, UTC: the only clock that a policy has

---The event
---@class OnPaymentEvent
---@field type "dispute_opened"|"dispute_closed"|"refund_created"|"checkout_completed"|"payment_succeeded"|"payment_failed"|"subscription_cancelled"|"subscription_updated" What happened, whatever the provider calls it
---@field provider string Name of the payment provider
---@field decline_reason? "insufficient_funds"|"expired_card"|"incorrect_details"|"authentication_required"|"lost_or_stolen"|"not_accepted"|"processing_error"|"other" At payment_failed: why, where the provider has said so by then
---@field dispute_outcome? "won"|"lost"|"withdrawn" At dispute_closed: how it ended

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
---@field is_trial? boolean Nothing was due yet: the trial runs

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

---For whom.
---@class OnProvisionTenant
---@field id string UUID of the tenant.
---@field tier string Its tier.

---What the tier says of workstations, if it has them.
---@class OnProvisionWorkstation
---@field machine_type string As the provisioner names it.
---@field disk_bytes integer Of each workstation.
---@field idle_timeout_seconds integer Then it stops.

---A tenant has paid, moved or come back: what is set up for it?
---@class OnProvisionInput
---@field tenant OnProvisionTenant For whom.
---@field region "us"|"eu"|"apac" Where its data stays.
---@field cause "purchased"|"changed"|"restored" Why now.
---@field users integer Users whose role has a workstation.
---@field workstation? OnProvisionWorkstation What the tier says of workstations, if it has them.
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
---@field hostname? string Handle of the machine's name: comparable, not readable.
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

---Whose.
---@class OnTierChangeTenant
---@field id string UUID of the tenant.
---@field seats_used integer Leases that live now.

---Who asks.
---@class OnTierChangeUser
---@field role string The caller's role in the tenant.

---What is paid now.
---@class OnTierChangeFrom
---@field tier string Name of the tier.
---@field quantity integer Units.
---@field interval "month"|"year" How often it is paid.
---@field amount_minor integer Price of one interval, in the currency's minor unit.
---@field currency string ISO 4217.

---What would be paid.
---@class OnTierChangeTo
---@field tier string Name of the tier.
---@field quantity integer Units.
---@field interval "month"|"year" How often it is paid.
---@field amount_minor integer Price of one interval, in the currency's minor unit.
---@field currency string ISO 4217.

---The buyer.
---@class OnTierChangeCustomer
---@field age_days integer Days since the tenant's first checkout.
---@field failed_payments integer Failed attempts on what is still unpaid.

---Whether a tenant may move to another tier or quantity, and on what terms.
---@class OnTierChangeInput
---@field tenant OnTierChangeTenant Whose.
---@field user OnTierChangeUser Who asks.
---@field from OnTierChangeFrom What is paid now.
---@field to OnTierChangeTo What would be paid.
---@field is_upgrade boolean It moves down the list of tiers.lua, or to more units.
---@field customer OnTierChangeCustomer The buyer.
---@field now Now The moment of the question, UTC: the only clock that a policy has

---Terms of allow in on_tier_change.
---@class OnTierChangeTerms
---@field discount_basis_points? integer Off the new price, in hundredths of a percent.

---Who uses.
---@class OnUsageTenant
---@field id string UUID of the tenant.
---@field tier string Its tier.

---Whether a use of a metered quota is taken, and how far beyond its limit.
---@class OnUsageInput
---@field tenant OnUsageTenant Who uses.
---@field meter string Name of the quota in tiers.lua, like ai_requests.
---@field quantity integer Units that would be used.
---@field used integer Units used in this period.
---@field limit? integer Units of the period; absent: without limit.
---@field soft_limit? integer From here on the tenant is told.
---@field now Now The moment of the question, UTC: the only clock that a policy has

---Terms of allow in on_usage.
---@class OnUsageTerms
---@field overage_units? integer Units beyond the limit.

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
---@field on_data_request? fun(request: OnDataRequestInput, settings: table, data: table): Answer?
---@field on_invite? fun(request: OnInviteInput, settings: table, data: table): Answer?
---@field on_login? fun(request: OnLoginInput, settings: table, data: table): Answer?
---@field on_notify? fun(request: OnNotifyInput, settings: table, data: table): Answer?
---@field on_offboard? fun(request: OnOffboardInput, settings: table, data: table): Answer?
---@field on_payment? fun(request: OnPaymentInput, settings: table, data: table): Answer?
---@field on_provision? fun(request: OnProvisionInput, settings: table, data: table): Answer?
---@field on_role_check? fun(request: OnRoleCheckInput, settings: table, data: table): Answer?
---@field on_seat_request? fun(request: OnSeatRequestInput, settings: table, data: table): Answer?
---@field on_signup? fun(request: OnSignupInput, settings: table, data: table): Answer?
---@field on_tier_change? fun(request: OnTierChangeInput, settings: table, data: table): Answer?
---@field on_usage? fun(request: OnUsageInput, settings: table, data: table): Answer?

---Allows, with terms that the kernel applies under its own limits.
---@param terms? OnInviteTerms|OnLoginTerms|OnNotifyTerms|OnRoleCheckTerms|OnSeatRequestTerms|OnSignupTerms|OnTierChangeTerms|OnUsageTerms
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

---Make the export.
---@param fields {  }
---@return Action
function export_data(fields) end

---Delete, and pseudonymise what the law keeps.
---@param fields { after_days: integer }
---@return Action
function erase_data(fields) end

---Keep, and use for nothing.
---@param fields {  }
---@return Action
function restrict_processing(fields) end

---Let it be corrected.
---@param fields {  }
---@return Action
function open_correction(fields) end

---Refuse, and say why.
---@param fields { reason: string }
---@return Action
function refuse_request(fields) end

---A mail to the person when the request is done, in place of the usual one.
---@param fields { template: string }
---@return Action
function send_mail(fields) end

---Tell staff.
---@param fields { reason: string }
---@return Action
function notify_staff(fields) end

---Offer to stay, and wait for the answer.
---@param fields { kind: "pause"|"downgrade"|"discount", discount_basis_points?: integer }
---@return Action
function offer(fields) end

---At requested, of a tenant by the cause cancelled: when it leaves. Without it at the end of what is paid; of several the nearest counts.
---@param fields { when: "now"|"period_end"|"never" }
---@return Action
function leave(fields) end

---The member is no longer one.
---@param fields { after_days?: integer }
---@return Action
function end_membership(fields) end

---Projects are no longer shared with the member by name, also if the member comes back.
---@param fields {  }
---@return Action
function end_shares(fields) end

---The member's workstation sleeps so long with everything on it, and is asked about again.
---@param fields { days: integer }
---@return Action
function keep_workstation(fields) end

---What is kept of the member's workstation can be opened meanwhile.
---@param fields { to: "owner" }
---@return Action
function hand_over(fields) end

---Tokens, keys and leases end.
---@param fields {  }
---@return Action
function revoke_access(fields) end

---Billing stops and is prorated.
---@param fields {  }
---@return Action
function end_billing(fields) end

---Keep everything so long, to come back to.
---@param fields { days: integer }
---@return Action
function retain_data(fields) end

---Delete what may be deleted, and certify it.
---@param fields {  }
---@return Action
function purge_data(fields) end

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

---The tenant's name at provisioners.
---@param fields {  }
---@return Action
function create_namespace(fields) end

---Storage of all workstations together.
---@param fields { disk_bytes: integer }
---@return Action
function set_quota(fields) end

---One for each user whose role has one.
---@param fields { machine_type: string, idle_timeout_seconds?: integer }
---@return Action
function start_workstation(fields) end

---The first key, shown once to the owner.
---@param fields {  }
---@return Action
function issue_api_key(fields) end
