namespace Hadal.Training.Data.Instructions;

/// <summary>Words that tasks are made of.</summary>
internal static class Words
{
    public static readonly string[] Names = ["Anna", "Tom", "Mary", "John", "Jane", "Peter", "Lucy", "Henry", "Emma", "George", "Kate", "Paul", "Alice", "Jack", "Helen", "David", "Rose", "James", "Sarah", "Charles", "Robert", "Fanny", "Elizabeth", "William", "Ben", "Lisa", "Sam", "Max", "Maria", "Ali", "Nina", "Leo", "Bob", "Eve", "Carl", "Ann", "Oscar", "Sophie", "Daniel", "Laura", "Mike", "Julia", "Tim", "Ella", "Sara", "Mark", "Wei", "Li", "Chen", "Olga", "Ivan"];
    public static readonly string[] NamesZh = ["小明", "小红", "小王", "小李", "张三", "李四", "王五", "小芳", "小华", "小刚", "宝玉", "黛玉", "刘备", "关羽", "张飞", "孔明", "曹操", "赵云", "周瑜", "鲁肃", "王芳", "李明", "张伟", "小丽", "小军", "小强", "陈晨", "刘洋", "小林", "小梅", "小雨", "老王", "小张", "赵敏", "孙丽", "周涛", "吴刚", "妈妈", "爸爸", "哥哥", "姐姐", "弟弟", "妹妹"];
    public static readonly string[] Cities = ["London", "Paris", "Rome", "Berlin", "Boston", "New York", "Oxford", "Bath", "Dublin", "Vienna", "Moscow", "Athens", "Madrid", "Venice", "Beijing", "Tokyo", "York", "Shanghai", "Chicago", "Munich", "Oslo", "Lisbon", "Cairo", "Delhi", "Sydney", "Toronto", "Milan", "Hamburg", "Seoul", "Dallas"];
    public static readonly string[] CitiesZh = ["北京", "上海", "南京", "长安", "洛阳", "成都", "苏州", "杭州", "广州", "荆州", "武汉", "西安", "扬州", "徐州", "深圳", "天津", "重庆", "长沙", "青岛", "厦门", "昆明", "大连"];
    public static readonly string[] Jobs = ["teacher", "doctor", "farmer", "sailor", "lawyer", "writer", "soldier", "painter", "cook", "servant", "captain", "clerk", "merchant", "judge", "nurse", "pilot", "baker", "driver", "singer", "student", "builder", "waiter", "dentist"];
    public static readonly string[] JobsZh = ["老师", "医生", "农民", "将军", "诗人", "画家", "书生", "厨师", "商人", "丞相", "军师", "渔夫", "木匠", "护士", "司机", "工人", "警察", "律师", "学生", "歌手", "演员"];
    public static readonly string[] Things = ["apples", "books", "coins", "letters", "stones", "eggs", "pears", "cups", "horses", "flowers", "boxes", "birds", "ships", "nuts", "hats", "pens", "candies", "marbles", "stamps", "cookies", "balls", "oranges", "pencils", "cards", "toys", "chairs", "tickets", "bottles", "cakes", "fish", "cows", "keys", "plates", "photos"];
    public static readonly string[] ThingsZh = ["苹果", "鸡蛋", "石子", "梨", "杯子", "桃子", "盒子", "橘子", "球", "果子", "铜钱", "馒头", "糖果", "气球", "橙子", "香蕉", "饺子", "包子", "玩具", "瓶子", "西瓜", "面包"];
    public static readonly string[] Colours = ["red", "blue", "green", "yellow", "white", "black", "brown", "grey", "purple", "pink", "orange"];
    public static readonly string[] ColoursZh = ["红色", "蓝色", "绿色", "黄色", "白色", "黑色", "紫色", "灰色", "粉色", "橙色"];

    /// <summary>English, Chinese, kind of thing.</summary>
    public static readonly (string En, string Zh, string Kind)[] Nouns =
    [
        ("cat", "猫", "animal"), ("dog", "狗", "animal"), ("horse", "马", "animal"), ("cow", "牛", "animal"), ("sheep", "羊", "animal"), ("bird", "鸟", "animal"), ("fish", "鱼", "animal"),
        ("tiger", "虎", "animal"), ("lion", "狮子", "animal"), ("monkey", "猴子", "animal"), ("pig", "猪", "animal"), ("mouse", "老鼠", "animal"), ("snake", "蛇", "animal"), ("chicken", "鸡", "animal"),
        ("duck", "鸭子", "animal"), ("rabbit", "兔子", "animal"), ("wolf", "狼", "animal"), ("bear", "熊", "animal"), ("frog", "青蛙", "animal"), ("bee", "蜜蜂", "animal"),
        ("apple", "苹果", "fruit"), ("pear", "梨", "fruit"), ("peach", "桃子", "fruit"), ("orange", "橘子", "fruit"), ("grape", "葡萄", "fruit"), ("plum", "李子", "fruit"), ("lemon", "柠檬", "fruit"),
        ("hammer", "锤子", "tool"), ("knife", "刀", "tool"), ("needle", "针", "tool"), ("saw", "锯子", "tool"), ("spade", "铲子", "tool"), ("axe", "斧子", "tool"),
        ("coat", "外衣", "garment"), ("hat", "帽子", "garment"), ("shoe", "鞋", "garment"), ("shirt", "衬衣", "garment"), ("dress", "裙子", "garment"), ("glove", "手套", "garment"),
        ("table", "桌子", "piece of furniture"), ("chair", "椅子", "piece of furniture"), ("bed", "床", "piece of furniture"), ("desk", "书桌", "piece of furniture"),
        ("ship", "船", "vehicle"), ("boat", "小船", "vehicle"), ("train", "火车", "vehicle"), ("cart", "车", "vehicle"),
        ("hand", "手", "part of the body"), ("foot", "脚", "part of the body"), ("head", "头", "part of the body"), ("eye", "眼睛", "part of the body"), ("ear", "耳朵", "part of the body"), ("nose", "鼻子", "part of the body"), ("mouth", "嘴", "part of the body"),
        ("rose", "玫瑰", "flower"), ("lotus", "荷花", "flower"), ("lily", "百合", "flower"), ("tulip", "郁金香", "flower"),
        ("piano", "钢琴", "musical instrument"), ("drum", "鼓", "musical instrument"), ("flute", "笛子", "musical instrument"), ("violin", "小提琴", "musical instrument"),
    ];

    /// <summary>Kinds of things in Chinese.</summary>
    public static readonly Dictionary<string, string> KindsZh = new(StringComparer.Ordinal)
    {
        ["animal"] = "动物", ["fruit"] = "水果", ["tool"] = "工具", ["garment"] = "衣物", ["piece of furniture"] = "家具", ["vehicle"] = "交通工具", ["part of the body"] = "身体的一部分", ["flower"] = "花", ["musical instrument"] = "乐器",
    };

    /// <summary>More words in both languages.</summary>
    public static readonly (string En, string Zh)[] Pairs =
    [
        ("water", "水"), ("fire", "火"), ("sun", "太阳"), ("moon", "月亮"), ("star", "星星"), ("mountain", "山"), ("river", "河"), ("sea", "海"), ("tree", "树"), ("flower", "花"), ("grass", "草"), ("rain", "雨"),
        ("snow", "雪"), ("wind", "风"), ("cloud", "云"), ("sky", "天空"), ("earth", "地球"), ("house", "房子"), ("door", "门"), ("window", "窗户"), ("book", "书"), ("letter", "信"), ("money", "钱"), ("gold", "金"),
        ("silver", "银"), ("stone", "石头"), ("road", "路"), ("city", "城市"), ("king", "国王"), ("friend", "朋友"), ("mother", "母亲"), ("father", "父亲"), ("brother", "兄弟"), ("sister", "姐妹"), ("man", "男人"),
        ("woman", "女人"), ("child", "孩子"), ("teacher", "老师"), ("student", "学生"), ("doctor", "医生"), ("bread", "面包"), ("tea", "茶"), ("wine", "酒"), ("rice", "米饭"), ("milk", "牛奶"), ("salt", "盐"),
        ("day", "白天"), ("night", "夜晚"), ("morning", "早晨"), ("evening", "晚上"), ("spring", "春天"), ("summer", "夏天"), ("autumn", "秋天"), ("winter", "冬天"), ("year", "年"), ("love", "爱"), ("peace", "和平"),
        ("war", "战争"), ("life", "生命"), ("time", "时间"), ("dream", "梦"), ("music", "音乐"), ("school", "学校"), ("model", "模型"), ("number", "数字"), ("language", "语言"), ("hello", "你好"), ("thank you", "谢谢"), ("goodbye", "再见"),
        ("car", "汽车"), ("bicycle", "自行车"), ("telephone", "电话"), ("computer", "电脑"), ("egg", "鸡蛋"), ("meat", "肉"), ("sugar", "糖"), ("coffee", "咖啡"), ("cup", "杯子"), ("bag", "包"), ("pen", "笔"), ("paper", "纸"), ("key", "钥匙"), ("clock", "钟"), ("lamp", "灯"), ("room", "房间"), ("bridge", "桥"), ("garden", "花园"), ("forest", "森林"), ("island", "岛"), ("village", "村庄"), ("street", "街道"),
        ("blood", "血"), ("heart", "心"), ("leg", "腿"), ("hair", "头发"), ("tooth", "牙齿"), ("son", "儿子"), ("daughter", "女儿"), ("family", "家庭"), ("week", "星期"), ("month", "月"), ("hour", "小时"), ("red", "红色"), ("blue", "蓝色"), ("green", "绿色"), ("white", "白色"), ("black", "黑色"), ("one", "一"), ("two", "二"), ("three", "三"), ("world", "世界"), ("country", "国家"), ("people", "人民"), ("work", "工作"), ("question", "问题"), ("answer", "答案"),
        ("banana", "香蕉"), ("plane", "飞机"), ("ball", "球"), ("shop", "商店"), ("hospital", "医院"), ("word", "词"), ("picture", "图片"), ("film", "电影"), ("song", "歌"), ("elephant", "大象"), ("butterfly", "蝴蝶"), ("light", "光"), ("air", "空气"), ("ice", "冰"), ("box", "盒子"),
    ];

    /// <summary>Opposites.</summary>
    public static readonly (string A, string B)[] Opposites =
    [
        ("hot", "cold"), ("big", "small"), ("old", "young"), ("long", "short"), ("high", "low"), ("good", "bad"), ("rich", "poor"), ("day", "night"), ("open", "closed"), ("full", "empty"), ("light", "dark"),
        ("fast", "slow"), ("early", "late"), ("strong", "weak"), ("happy", "sad"), ("wet", "dry"), ("clean", "dirty"), ("left", "right"), ("up", "down"), ("yes", "no"), ("near", "far"), ("first", "last"),
        ("hard", "soft"), ("easy", "difficult"), ("wide", "narrow"), ("love", "hate"), ("war", "peace"), ("life", "death"), ("true", "false"), ("buy", "sell"), ("in", "out"), ("black", "white"), ("north", "south"), ("east", "west"), ("front", "back"), ("top", "bottom"), ("heavy", "light"), ("loud", "quiet"), ("win", "lose"), ("give", "take"), ("start", "stop"), ("inside", "outside"), ("thick", "thin"), ("cheap", "expensive"), ("always", "never"), ("question", "answer"),
    ];

    /// <inheritdoc cref="Opposites"/>
    public static readonly (string A, string B)[] OppositesZh =
    [
        ("大", "小"), ("多", "少"), ("长", "短"), ("高", "低"), ("好", "坏"), ("新", "旧"), ("冷", "热"), ("快", "慢"), ("早", "晚"), ("远", "近"), ("上", "下"), ("左", "右"), ("前", "后"), ("内", "外"), ("东", "西"),
        ("南", "北"), ("黑", "白"), ("真", "假"), ("生", "死"), ("有", "无"), ("强", "弱"), ("轻", "重"), ("开", "关"), ("来", "去"), ("哭", "笑"), ("古", "今"), ("胜", "败"), ("富", "贫"), ("干", "湿"), ("美", "丑"), ("老", "少"), ("粗", "细"), ("厚", "薄"), ("宽", "窄"), ("深", "浅"), ("硬", "软"), ("甜", "苦"), ("买", "卖"), ("进", "出"), ("对", "错"), ("男", "女"), ("天", "地"), ("高兴", "难过"), ("开始", "结束"), ("安静", "吵闹"), ("干净", "脏"), ("贵", "便宜"), ("聪明", "笨"), ("勇敢", "胆小"), ("大方", "小气"),
    ];

    /// <summary>Things and their colour: English with article, verb, colour; Chinese, colour.</summary>
    public static readonly (string En, string Verb, string Colour, string Zh, string ColourZh)[] Coloured =
    [
        ("grass", "is", "green", "草", "绿色"), ("snow", "is", "white", "雪", "白色"), ("blood", "is", "red", "血", "红色"), ("the clear sky", "is", "blue", "晴天的天空", "蓝色"), ("coal", "is", "black", "煤", "黑色"),
        ("milk", "is", "white", "牛奶", "白色"), ("a lemon", "is", "yellow", "柠檬", "黄色"), ("a ripe tomato", "is", "red", "熟番茄", "红色"), ("salt", "is", "white", "盐", "白色"), ("gold", "is", "yellow", "金子", "黄色"),
        ("ash", "is", "grey", "灰烬", "灰色"), ("a crow", "is", "black", "乌鸦", "黑色"), ("a swan", "is", "white", "天鹅", "白色"), ("leaves in summer", "are", "green", "夏天的树叶", "绿色"), ("chocolate", "is", "brown", "巧克力", "棕色"),
        ("the sun", "is", "yellow", "太阳", "黄色"), ("the sea", "is", "blue", "大海", "蓝色"), ("night", "is", "black", "黑夜", "黑色"), ("a banana", "is", "yellow", "香蕉", "黄色"), ("bamboo", "is", "green", "竹子", "绿色"), ("the sky", "is", "blue", "天空", "蓝色"), ("sugar", "is", "white", "糖", "白色"), ("a strawberry", "is", "red", "草莓", "红色"), ("coffee", "is", "brown", "咖啡", "棕色"), ("an apple", "is", "red", "苹果", "红色"), ("a cucumber", "is", "green", "黄瓜", "绿色"),
        ("fire", "is", "red", "火", "红色"), ("clouds", "are", "white", "云", "白色"), ("grapes", "are", "purple", "葡萄", "紫色"), ("an orange", "is", "orange", "橙子", "橙色"), ("rice", "is", "white", "米饭", "白色"), ("a tree trunk", "is", "brown", "树干", "棕色"),
    ];

    /// <summary>Countries and their capitals.</summary>
    public static readonly (string En, string Capital, string Zh, string CapitalZh)[] Capitals =
    [
        ("France", "Paris", "法国", "巴黎"), ("England", "London", "英国", "伦敦"), ("Germany", "Berlin", "德国", "柏林"), ("Italy", "Rome", "意大利", "罗马"), ("Spain", "Madrid", "西班牙", "马德里"), ("China", "Beijing", "中国", "北京"),
        ("Japan", "Tokyo", "日本", "东京"), ("Russia", "Moscow", "俄罗斯", "莫斯科"), ("Greece", "Athens", "希腊", "雅典"), ("Austria", "Vienna", "奥地利", "维也纳"), ("Ireland", "Dublin", "爱尔兰", "都柏林"), ("Egypt", "Cairo", "埃及", "开罗"),
        ("Portugal", "Lisbon", "葡萄牙", "里斯本"), ("Poland", "Warsaw", "波兰", "华沙"), ("Sweden", "Stockholm", "瑞典", "斯德哥尔摩"), ("Norway", "Oslo", "挪威", "奥斯陆"), ("the United States", "Washington", "美国", "华盛顿"), ("India", "New Delhi", "印度", "新德里"),
        ("Korea", "Seoul", "韩国", "首尔"), ("Canada", "Ottawa", "加拿大", "渥太华"), ("Brazil", "Brasilia", "巴西", "巴西利亚"), ("Mexico", "Mexico City", "墨西哥", "墨西哥城"), ("Turkey", "Ankara", "土耳其", "安卡拉"), ("Australia", "Canberra", "澳大利亚", "堪培拉"),
        ("the Netherlands", "Amsterdam", "荷兰", "阿姆斯特丹"), ("Denmark", "Copenhagen", "丹麦", "哥本哈根"), ("Finland", "Helsinki", "芬兰", "赫尔辛基"), ("Hungary", "Budapest", "匈牙利", "布达佩斯"), ("Thailand", "Bangkok", "泰国", "曼谷"), ("Vietnam", "Hanoi", "越南", "河内"), ("Argentina", "Buenos Aires", "阿根廷", "布宜诺斯艾利斯"),
        ("Belgium", "Brussels", "比利时", "布鲁塞尔"), ("Switzerland", "Bern", "瑞士", "伯尔尼"),
    ];

    public static readonly string[] Days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    public static readonly string[] DaysZh = ["星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"];
    public static readonly string[] Months = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
    public static readonly string[] MonthsZh = ["一月", "二月", "三月", "四月", "五月", "六月", "七月", "八月", "九月", "十月", "十一月", "十二月"];
    public static readonly string[] Seasons = ["spring", "summer", "autumn", "winter"];
    public static readonly string[] SeasonsZh = ["春天", "夏天", "秋天", "冬天"];

    /// <summary>What words mean, in both languages.</summary>
    public static readonly (string En, string Meaning, string Zh, string MeaningZh)[] Definitions =
    [
        ("a noun", "A noun is a word for a person, a place or a thing.", "名词", "名词是表示人、地方或事物的词。"),
        ("a verb", "A verb is a word for what somebody does or what happens.", "动词", "动词是表示动作或变化的词。"),
        ("an island", "An island is land with water all around it.", "岛", "岛是四面被水包围的陆地。"),
        ("a triangle", "A triangle is a figure with three sides.", "三角形", "三角形是有三条边的图形。"),
        ("a square", "A square is a figure with four equal sides and four right angles.", "正方形", "正方形是四条边相等、四个角都是直角的图形。"),
        ("a circle", "A circle is a round line whose points are all equally far from its middle.", "圆", "圆是到中心距离都相等的点连成的线。"),
        ("a vector", "A vector is a list of numbers in order.", "向量", "向量是按顺序排列的一组数。"),
        ("a matrix", "A matrix is a table of numbers in rows and columns.", "矩阵", "矩阵是按行和列排列的一张数表。"),
        ("a neural network", "A neural network is a model made of layers of simple units whose weights are learnt from data.", "神经网络", "神经网络是由许多层简单单元组成的模型，其权重从数据中学得。"),
        ("a language model", "A language model is a model that says how likely the next word of a text is.", "语言模型", "语言模型是预测文本中下一个词有多大可能的模型。"),
        ("machine learning", "Machine learning means that a program learns from data instead of being told every rule.", "机器学习", "机器学习是让程序从数据中学习，而不是由人写出每条规则。"),
        ("deep learning", "Deep learning is machine learning with neural networks of many layers.", "深度学习", "深度学习是使用多层神经网络的机器学习。"),
        ("a token", "A token is a piece of text that a language model reads as one unit.", "词元", "词元是语言模型作为一个单位读取的一小段文本。"),
        ("attention", "Attention weighs how much each earlier word matters for the next one.", "注意力", "注意力衡量前面每个词对下一个词有多重要。"),
        ("overfitting", "Overfitting means that a model knows its training data by heart and does badly on new data.", "过拟合", "过拟合是指模型记住了训练数据，却在新数据上表现不好。"),
        ("a gradient", "A gradient tells in which direction a function rises fastest.", "梯度", "梯度表示函数上升最快的方向。"),
        ("a loss function", "A loss function measures how far a model is from the right answer.", "损失函数", "损失函数衡量模型离正确答案有多远。"),
        ("a tensor", "A tensor is an array of numbers with any number of axes.", "张量", "张量是具有任意多个轴的数组。"),
        ("an algorithm", "An algorithm is a list of exact steps that solve a problem.", "算法", "算法是解决问题的一系列明确步骤。"),
        ("a computer", "A computer is a machine that follows programs.", "计算机", "计算机是按照程序工作的机器。"),
        ("a novel", "A novel is a long story in prose.", "小说", "小说是用散文写成的长篇故事。"),
        ("a poem", "A poem is a text in verses, often with rhyme and rhythm.", "诗", "诗是分行写成、常有韵律的文字。"),
        ("a comma", "A comma is a mark that divides the parts of a sentence.", "逗号", "逗号是分隔句子各部分的标点。"),
        ("the sun", "The sun is the star that gives us light and warmth.", "太阳", "太阳是给我们光和热的恒星。"),
        ("the moon", "The moon goes round the earth and shines at night.", "月亮", "月亮绕着地球转，在夜里发光。"),
        ("rain", "Rain is water that falls from the clouds.", "雨", "雨是从云里落下的水。"),
        ("ice", "Ice is frozen water.", "冰", "冰是冻结的水。"),
        ("a river", "A river is water that flows through the land to the sea.", "河", "河是流过陆地、流向大海的水。"),
        ("a year", "A year is twelve months.", "一年", "一年有十二个月。"),
        ("a week", "A week is seven days.", "一周", "一周有七天。"),
        ("an hour", "An hour is sixty minutes.", "一小时", "一小时是六十分钟。"),
        ("a dozen", "A dozen is twelve.", "一打", "一打是十二个。"),
        ("a bee", "A bee is an insect that makes honey.", "蜜蜂", "蜜蜂是酿蜜的昆虫。"),
        ("a library", "A library is a house full of books.", "图书馆", "图书馆是收藏书籍的地方。"),
        ("a sonnet", "A sonnet is a poem of fourteen lines.", "绝句", "绝句是四句的诗。"),
        ("JSON", "JSON is a way to write data as text, with names and values.", "JSON", "JSON是一种用名称和值把数据写成文本的格式。"),
    ];
}
