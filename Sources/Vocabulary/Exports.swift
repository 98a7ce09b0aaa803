// The words of the plugin kit are the words of the house.
@_exported import PluginKit
