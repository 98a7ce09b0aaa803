import HTTPEdge
import Tenancy
import Vocabulary

/// The shapes of the room's bodies, for the edge's strict reading and for OpenAPI.
enum IdentitySchema {
    static let email = Schema.string(min: 3, max: 320)
    /// Longer ones are refused before they are hashed; how good one is, is said by the answer to setting it.
    static let password = Schema.string(min: 1, max: 1_024)
    static let newPassword = Schema.string(min: PasswordStrength.minCharacters, max: 1_024)
    static let name = Schema.string(min: 1, max: 100)
    static let token = Schema.string(min: 1, max: 512)
    static let id = Schema.string(max: 36, format: .uuid)
    static let time = Schema.string(max: 40, format: .dateTime)
    static let text = Schema.string(max: 500)
    static let message = SchemaField("message", text, "For a person.")

    static let signUp = Schema.named(
        "SignUp",
        .object([
            SchemaField("email", email), SchemaField("password", newPassword, "At least 12 characters, not a common one."),
            SchemaField("first_name", name), SchemaField("last_name", name),
            SchemaField("organization", .string(max: 200), "Without it the tenant is the person's own.", optional: true),
            SchemaField("tier", .string(max: 64), "The tier chosen on the way in.", optional: true),
            SchemaField(
                "region", .choice(Tenant.Region.allCases.map(\.rawValue)), "Where the data stays; where not said: in the region asked.",
                optional: true),
        ]))
    static let person = Schema.named(
        "Person", .object([SchemaField("id", id), SchemaField("email", text), SchemaField("name", text)]))
    static let personReply = Schema.named("PersonReply", .object([SchemaField("user", person), message]))
    static let messageReply = Schema.named("Message", .object([message]))
    static let tokenBody = Schema.object([SchemaField("token", token, "From the link.")])
    static let emailBody = Schema.object([SchemaField("email", email)])
    static let credentials = Schema.named("Credentials", .object([SchemaField("email", email), SchemaField("password", password)]))
    static let signedInUser = Schema.named(
        "SignedInUser",
        .object([
            SchemaField("id", id), SchemaField("email", text), SchemaField("name", text), SchemaField("tenant_id", id),
            SchemaField("role", .string(max: 64)),
        ]))
    private static let tokens: [SchemaField] = [
        SchemaField("access_token", .string(max: 8_192), "JWT, sent as Bearer."),
        SchemaField("token_type", .choice(["Bearer"])),
        SchemaField("expires_in", .integer(1...604_800), "Seconds."),
    ]
    private static let refreshToken = SchemaField("refresh_token", .string(max: 256), "Good for one use; each answer carries the next.")
    static let tokenReply = Schema.named(
        "Tokens", .object(tokens + [refreshToken, SchemaField("user", signedInUser)]))
    static let accessReply = Schema.named("AccessToken", .object(tokens + [SchemaField("user", signedInUser)]))
    /// Tokens, or the second step where one is due.
    static let signInReply = Schema.named(
        "SignIn",
        .object(
            (tokens + [refreshToken, SchemaField("user", signedInUser)]).map {
                SchemaField($0.name, $0.schema, $0.summary, optional: true)
            } + [
                SchemaField("mfa_required", .boolean, "True when a second factor is due; then only mfa_token is there.", optional: true),
                SchemaField("mfa_token", .string(max: 512), optional: true),
            ]))
    static let refreshBody = Schema.object([SchemaField("refresh_token", .string(min: 1, max: 256))])
    static let signOutBody = Schema.object([SchemaField("everywhere", .boolean, "Ends every session of the person.", optional: true)])
    static let resetBody = Schema.object([SchemaField("token", token, "From the link."), SchemaField("password", newPassword)])
    static let changeBody = Schema.object([SchemaField("current_password", password), SchemaField("new_password", newPassword)])
    static let switchBody = Schema.object([SchemaField("tenant_id", id)])
    static let profileBody = Schema.object([
        SchemaField("first_name", name, optional: true), SchemaField("last_name", name, optional: true),
    ])
    static let passwordBody = Schema.object([SchemaField("password", password)])
    static let administratorBody = Schema.object([
        SchemaField("token", token, "From the link printed at the first start."), SchemaField("email", email),
        SchemaField("password", newPassword), SchemaField("first_name", name), SchemaField("last_name", name),
    ])
    static let session = Schema.named(
        "AuthSession",
        .object([
            SchemaField("id", id), SchemaField("tenant_id", id), SchemaField("kind", .choice(["token", "page"])),
            SchemaField("factor", .string(max: 64), "How it was proved."),
            SchemaField("device", text, "What the client says about itself.", optional: true),
            SchemaField("address", .string(max: 64), optional: true), SchemaField("created_at", time), SchemaField("last_used_at", time),
            SchemaField("expires_at", time), SchemaField("is_current", .boolean),
        ]))
    static let sessionsReply = Schema.object([SchemaField("sessions", .array(session, max: 200))])
    static let profile = Schema.named(
        "Profile",
        .object([
            SchemaField("id", id), SchemaField("email", text), SchemaField("name", text), SchemaField("first_name", text),
            SchemaField("last_name", text), SchemaField("email_verified", .boolean), SchemaField("role", .string(max: 64)),
            SchemaField("tenant_id", id, "The tenant that the access token speaks for."),
            SchemaField(
                "tenants",
                .array(
                    .object([
                        SchemaField("id", id), SchemaField("name", text),
                        SchemaField("kind", .choice(Tenant.Kind.allCases.map(\.rawValue))),
                        SchemaField("role", .string(max: 64)),
                    ]), max: 1_000)),
            SchemaField("permissions", .array(.string(max: 128), max: 1_000)), SchemaField("created_at", time),
        ]))
}
