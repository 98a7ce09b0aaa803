enum PluginHostTarget {}
