import Foundation
import Store
import Tenancy
import Vocabulary

/// A person uses one of the rights of GDPR articles 15 to 21.
package struct DataRequest: Sendable, Hashable {
    package typealias ID = Identifier<DataRequest>
    package typealias Kind = OnDataRequest.Kind
    package enum State: String, LifecycleState {
        /// Staff has to answer.
        case open
        /// The kernel does it by itself at a moment.
        case waiting
        /// The days that the law allows are over, and nothing is done.
        case overdue
        case done, refused, withdrawn
        package var isOver: Bool { self == .done || self == .refused || self == .withdrawn }
    }
    package let id: ID
    package let person: UserID
    package let askedIn: TenantID
    package let kind: Kind
    package let state: State
    let noteBox: [UInt8]?
    let answerBox: [UInt8]?
    /// What the policy planned.
    package let plan: [String]
    package let mail: String?
    package let actAt: Timestamp?
    let addressBox: [UInt8]?
    package let askedAt: Timestamp
    package let dueAt: Timestamp
    package let outcome: String?
    package let remainders: [ClosureRemainder]
    package let closedAt: Timestamp?

    struct Planned: Codable, Sendable, Hashable {
        var actions: [String]
        var mail: String?
    }

    init(_ row: Row) throws {
        id = try row.id(0)
        person = try row.id(1)
        askedIn = try row.id(2)
        guard let kind = Kind(rawValue: try row.text(3)), let state = State(rawValue: try row.text(4)) else {
            throw StoreFault.corrupt("data_request: a word that this program does not know")
        }
        self.kind = kind
        self.state = state
        noteBox = try row.optional(5, row.blob)
        answerBox = try row.optional(6, row.blob)
        let planned = try JSONCoding.decode(Planned.self, Data(try row.text(7).utf8))
        plan = planned.actions
        mail = planned.mail
        actAt = try row.optional(8, row.time)
        addressBox = try row.optional(9, row.blob)
        askedAt = try row.time(10)
        dueAt = try row.time(11)
        outcome = try row.optional(12, row.text)
        remainders = try JSONCoding.decode([ClosureRemainder].self, Data(try row.text(13).utf8))
        closedAt = try row.optional(14, row.time)
    }
}

/// The life of a data request. The diagram in the README is rendered from this value.
package let dataRequestLifecycle = Lifecycle<DataRequest.State>(
    "Data request", "A right of data protection law, asked for and answered in time.", initial: [.open],
    [
        Transition(
            "wait", "planned", from: [.open], to: .waiting, by: [.policy], why: "the kernel does it, at once or after days to think again"),
        Transition(
            "finish", "done", from: [.open, .waiting, .overdue], to: .done, by: [.policy, .kernel, .staff],
            why: "what was asked for is done"),
        Transition(
            "refuse", "refused", from: [.open, .overdue], to: .refused, by: [.policy, .staff],
            why: "a rule keeps the data; the person is told which"),
        Transition(
            "withdraw", "withdrawn", from: [.open, .waiting, .overdue], to: .withdrawn, by: [.customer],
            why: "the person no longer wants it"),
        Transition(
            "lapse", "overdue", from: [.open, .waiting], to: .overdue, by: [.time], why: "the days that the law allows are over"),
    ])
