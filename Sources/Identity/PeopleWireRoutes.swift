import Foundation
import HTTPEdge
import Tenancy
import Vocabulary

/// What crosses the wire of members and invitations.
enum PeopleWire {
    static let uuid = Schema.string(max: 36, format: .uuid)
    static let time = Schema.string(max: 40, format: .dateTime)
    static let role = Schema.string(min: 1, max: 64, pattern: "^[a-z][a-z_]*$")
    static let scope = Schema.array(.string(min: 1, max: 100), max: 500)
    static let endsAt = SchemaField(
        "ends_at", .nullable(time), "The membership is over at this moment; contractors and auditors need it", optional: true)
    static let scopeField = SchemaField("scope", .nullable(scope), "Project ids; null: as far as the role goes", optional: true)

    static let member = Schema.named(
        "Member",
        .object([
            SchemaField("id", uuid, "Of the membership"), SchemaField("user_id", uuid), SchemaField("name", .string(max: 300)),
            SchemaField("email", .string(max: 254)), SchemaField("role", role),
            SchemaField("scope", .nullable(scope), "Project ids; null: as far as the role goes"),
            SchemaField("ends_at", .nullable(time), "Over at this moment"), SchemaField("since", time),
        ]))
    static let invitation = Schema.named(
        "Invitation",
        .object([
            SchemaField("id", uuid), SchemaField("email", .string(max: 254)), SchemaField("role", role),
            SchemaField("scope", .nullable(scope)), SchemaField("ends_at", .nullable(time), "Of the membership that it offers"),
            SchemaField("status", .choice(Invitation.Status.allCases.map(\.rawValue))), SchemaField("sends", .integer(1...1_000)),
            SchemaField("sent_at", time), SchemaField("expires_at", time), SchemaField("invited_by", uuid, "A user"),
        ]))

    static func json(_ member: Member) -> JSONValue {
        [
            "id": .string(member.membership.id.description), "user_id": .string(member.membership.user.description),
            "name": .string(member.name), "email": .string(member.email), "role": .string(member.membership.role.rawValue),
            "scope": json(member.membership.scope), "ends_at": json(member.membership.endsAt), "since": .string(member.since.iso8601),
        ]
    }
    static func json(_ invitation: Invitation, _ email: String, now: Timestamp) -> JSONValue {
        [
            "id": .string(invitation.id.description), "email": .string(email), "role": .string(invitation.role.rawValue),
            "scope": json(invitation.scope), "ends_at": json(invitation.endsAt), "status": .string(invitation.status(at: now).rawValue),
            "sends": .int(Int64(invitation.sends)), "sent_at": .string(invitation.sentAt.iso8601),
            "expires_at": .string(invitation.expiresAt.iso8601), "invited_by": .string(invitation.invitedBy.description),
        ]
    }
    static func json(_ scope: [String]?) -> JSONValue { scope.map { .array($0.map { .string($0) }) } ?? .null }
    static func json(_ time: Timestamp?) -> JSONValue { time.map { .string($0.iso8601) } ?? .null }

    /// A field that may be left out, null, or a moment.
    static func time(_ call: Call, _ name: String) throws(Problem) -> MemberChange.Value<Timestamp> {
        guard let value = call.json?[name] else { return .keep }
        guard let text = value.string else { return .set(nil) }
        guard let time = Timestamp(iso8601: text) else { throw CommonProblems.invalid(name, "is not a moment") }
        return .set(time)
    }
    /// A field that may be left out, null, or a list of project ids; repeats count once.
    static func scope(_ call: Call) -> MemberChange.Value<[String]> {
        guard let value = call.json?["scope"] else { return .keep }
        guard let names = value.array else { return .set(nil) }
        return .set(Set(names.compactMap(\.string)).sorted())
    }
}
