import Foundation
import PluginKit

/// One thing that can be asked of the other process: its number on the wire and the types of question and answer.
package struct WireCall<Input: Codable & Sendable, Output: Codable & Sendable>: Sendable {
    package let method: UInt16
    package init(_ method: UInt16) { self.method = method }
}

/// Something that is only told.
package struct WireNote<Input: Codable & Sendable>: Sendable {
    package let method: UInt16
    package init(_ method: UInt16) { self.method = method }
}

package struct Nothing: Codable, Sendable, Hashable {
    package init() {}
}

package struct Maybe<Value: Codable & Sendable>: Codable, Sendable {
    package var value: Value?
    package init(_ value: Value?) { self.value = value }
}

package struct WirePage<Item: Codable & Sendable>: Codable, Sendable {
    package var items: [Item]
    package var next: String?
    package init(_ page: ProviderPage<Item>) {
        items = page.items
        next = page.next
    }
    package var page: ProviderPage<Item> { ProviderPage(items: items, next: next) }
}

/// What the server asks of the child. Numbers are never given a second time.
package enum ToChild {
    package struct Beginning: Codable, Sendable {
        package var id: String
        package var settings: PluginSettings
        package var secrets: PluginSecrets
        package init(id: String, settings: PluginSettings, secrets: PluginSecrets) {
            self.id = id
            self.settings = settings
            self.secrets = secrets
        }
    }
    package struct Begun: Codable, Sendable, Hashable {
        package var kinds: [PluginKind]
        package var hasPages: Bool
        /// What a payment provider says that it can; constant while it runs.
        package var capabilities: Set<PaymentCapability>
        /// What a compliance framework says of itself; constant while it runs.
        package var framework: FrameworkDescription?
        /// Of an identity provider; nil for what is none.
        package var identity: IdentityDescription?
        /// What a key service says that it can; constant while it runs.
        package var signingAlgorithms: Set<SigningAlgorithm>
        package var wrapsSecrets: Bool
        /// Whether a file store makes presigned addresses; constant while it runs.
        package var presignsFiles: Bool
        /// What a provisioner offers; constant while it runs.
        package var workstations: WorkstationOffer?
        package init(_ instance: any PluginInstance) {
            kinds = instance.providedKinds
            hasPages = instance.pages != nil
            capabilities = instance.paymentProvider?.capabilities ?? []
            framework = instance.complianceFramework?.about
            identity = instance.identityProvider?.profile
            signingAlgorithms = instance.keyService?.algorithms ?? []
            wrapsSecrets = instance.keyService?.wrapsSecrets ?? false
            presignsFiles = instance.fileStore?.presigns ?? false
            workstations = instance.provisioner?.offer
        }
    }

    /// Loads the library, checks its id and settings, makes the plugin. Comes first and once.
    package static let begin = WireCall<Beginning, Begun>(1)
    package static let start = WireCall<Nothing, Nothing>(2)
    package static let drain = WireCall<Nothing, Nothing>(3)
    package static let stop = WireCall<Nothing, Nothing>(4)
    /// Answered by a task of the child: its threads still turn.
    package static let ping = WireCall<Nothing, Nothing>(5)
    package static let page = WireCall<PageRequest, PageResponse>(6)

    /// For a policy module.
    package static let answer = WireCall<PolicyQuestion, PolicyReply>(10)

    package static let startCheckout = WireCall<CheckoutRequest, CheckoutSession>(20)
    package static let openPortal = WireCall<PortalRequest, PortalSession>(21)
    package static let verify = WireCall<WebhookDelivery, VerifiedEvent>(22)
    package static let interpret = WireCall<VerifiedEvent, [PaymentFact]>(23)
    package static let understands = WireCall<String, Maybe<Bool>>(24)
    package static let readSubscription = WireCall<String, SubscriptionFact>(25)
    package static let previewChange = WireCall<SubscriptionChange, ChangePreview>(26)
    package static let changeSubscription = WireCall<SubscriptionChange, SubscriptionFact>(27)
    package static let cancelSubscription = WireCall<SubscriptionCancellation, SubscriptionFact>(28)
    package static let resumeSubscription = WireCall<SubscriptionResumption, SubscriptionFact>(29)
    package static let pauseSubscription = WireCall<SubscriptionPause, SubscriptionFact>(30)
    package static let changeTrial = WireCall<TrialChange, SubscriptionFact>(31)
    package static let readCoupon = WireCall<String, Maybe<Coupon>>(32)
    package static let applyCoupon = WireCall<CouponApplication, SubscriptionFact>(33)
    package static let listInvoices = WireCall<InvoiceQuery, WirePage<ProviderInvoice>>(34)
    package static let readInvoice = WireCall<String, ProviderInvoice>(35)
    package static let invoicePDF = WireCall<String, Maybe<String>>(36)
    package static let refund = WireCall<RefundRequest, Refund>(37)
    package static let listSubscriptions = WireCall<ChangesRequest, WirePage<SubscriptionFact>>(38)
    package static let listPayments = WireCall<ChangesRequest, WirePage<InvoiceFact>>(39)
    package static let listRefunds = WireCall<ChangesRequest, WirePage<RefundFact>>(40)
    package static let listDisputes = WireCall<ChangesRequest, WirePage<DisputeFact>>(41)
    package static let listEvents = WireCall<ChangesRequest, WirePage<VerifiedEvent>>(42)
}

/// What the child asks of the server: what a plugin's context offers.
package enum ToHost {
    package struct Line: Codable, Sendable {
        package var level: PluginLogLevel
        package var message: String
        package var fields: [String: String]
        package init(level: PluginLogLevel, message: String, fields: [String: String]) {
            self.level = level
            self.message = message
            self.fields = fields
        }
    }
    /// A key of the platform's space, or of one tenant's.
    package struct Key: Codable, Sendable {
        package var tenant: String?
        package var key: String
        package init(tenant: String?, key: String) {
            self.tenant = tenant
            self.key = key
        }
    }
    package struct Entry: Codable, Sendable {
        package var key: Key
        package var value: Data
        /// For `replace`: what it must still hold; nil: nothing.
        package var expected: Data?
        package init(key: Key, value: Data, expected: Data? = nil) {
            self.key = key
            self.value = value
            self.expected = expected
        }
    }
    package struct Listing: Codable, Sendable {
        package var tenant: String?
        package var prefix: String
        package var after: String?
        package var limit: Int
        package init(tenant: String?, prefix: String, after: String?, limit: Int) {
            self.tenant = tenant
            self.prefix = prefix
            self.after = after
            self.limit = limit
        }
    }
    /// The walls that the child stands behind, said once before anything else.
    package struct Walls: Codable, Sendable, Hashable {
        /// Version of the kernel's Landlock.
        package var landlock: Int
        package init(landlock: Int) { self.landlock = landlock }
    }

    package static let log = WireNote<Line>(100)
    package static let walls = WireNote<Walls>(101)
    /// The walls could not be built; the child ends.
    package static let unsafe = WireNote<String>(102)
    package static let now = WireCall<Nothing, Timestamp>(110)
    package static let origin = WireCall<Nothing, String>(111)
    package static let webhookAddress = WireCall<Nothing, String>(112)
    package static let sleep = WireCall<Duration, Nothing>(120)
    package static let send = WireCall<OutboundRequest, OutboundResponse>(121)
    package static let spaceGet = WireCall<Key, Maybe<Data>>(130)
    package static let spaceSet = WireCall<Entry, Nothing>(131)
    package static let spaceRemove = WireCall<Key, Nothing>(132)
    package static let spaceReplace = WireCall<Entry, Bool>(133)
    package static let spaceKeys = WireCall<Listing, [String]>(134)
}
